package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// AddToGroup implements backplane.Hub.
func (h *hub) AddToGroup(ctx context.Context, connectionID, group string) error {
	return h.command(ctx, groupCommand{action: groupAdd, group: group, connectionID: connectionID})
}

// RemoveFromGroup implements backplane.Hub.
func (h *hub) RemoveFromGroup(ctx context.Context, connectionID, group string) error {
	return h.command(ctx, groupCommand{action: groupRemove, group: group, connectionID: connectionID})
}

var errAcknowledgeTimeout = errors.New("acknowledge timeout")

// command asks all servers to change a connection's groups and waits for the one that has it.
func (h *hub) command(ctx context.Context, command groupCommand) error {
	if h.plane.isolated() { // nobody else is there to ask
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.plane.options.AcknowledgeTimeout, errAcknowledgeTimeout)
	defer cancel()
	id, acknowledged := h.acknowledgements.expect()
	defer h.acknowledgements.forget(id)
	command.id, command.server = id, h.channels.server
	if _, err := h.publish(ctx, h.channels.groups(), encodeGroupCommand(command)); err != nil {
		return fmt.Errorf("change the groups of connection %q: %w", command.connectionID, err)
	}
	select {
	case <-acknowledged:
		return nil
	case <-h.closing.Done():
		return fmt.Errorf("change the groups of connection %q: %w", command.connectionID, backplane.ErrClosed)
	case <-ctx.Done():
	}
	if cause := context.Cause(ctx); !errors.Is(cause, errAcknowledgeTimeout) {
		return fmt.Errorf("change the groups of connection %q: %w", command.connectionID, cause)
	}
	return fmt.Errorf("change the groups of connection %q: no server answered within %s: %w",
		command.connectionID, h.plane.options.AcknowledgeTimeout, context.DeadlineExceeded)
}

// receiveGroupCommand hands over to a goroutine: the hub may have to subscribe, which takes a round trip that messages
// must not wait for.
func (h *hub) receiveGroupCommand(payload []byte) {
	command, err := decodeGroupCommand(payload)
	if err != nil {
		h.receiveFenceInBand(backplane.Target{Scope: backplane.ScopeCommands}, payload, err)
		return
	}
	command.fencesBefore = h.commandFences.Load()
	if !h.commands.add(command) {
		h.dropped(errTooManyCommands, len(payload))
	}
}

var errTooManyCommands = errors.New("too many group commands are under way")

// carryOut acts for another server and tells it, if the connection is here. If the connection has moved since the command came, the
// command is sent once more as it is: who has the connection then answers.
func (h *hub) carryOut(command groupCommand) {
	ctx, cancel := context.WithTimeout(h.closing, h.plane.options.AcknowledgeTimeout)
	defer cancel()
	local, err := h.act(backplane.WithFencesBefore(ctx, command.fencesBefore), command)
	switch {
	case errors.Is(err, backplane.ErrMoved):
		_, err = h.publish(ctx, h.channels.groups(), encodeGroupCommand(command))
	case local && err == nil:
		channel := h.channels.acknowledgements(command.server)
		_, err = h.publish(ctx, channel, encodeAcknowledgement(command.id))
	}
	if err == nil || h.closing.Err() != nil {
		return
	}
	if count, due := h.failedCommands.add(time.Now()); due {
		h.logger.Warn("could not carry out another server's group command", "error", err, "failed", count)
	}
}

func (h *hub) act(ctx context.Context, command groupCommand) (local bool, err error) {
	switch command.action {
	case groupAdd:
		return h.receiver.AddToGroup(ctx, command.connectionID, command.group)
	case groupRemove:
		return h.receiver.RemoveFromGroup(ctx, command.connectionID, command.group)
	default:
		return true, nil
	}
}

func (h *hub) receiveAcknowledgement(payload []byte) {
	id, err := decodeAcknowledgement(payload)
	if err != nil {
		h.dropped(err, len(payload))
		return
	}
	h.acknowledgements.arrived(id)
}

// acknowledgements are the group commands of this server that wait for an answer.
type acknowledgements struct {
	// mutex guards what follows.
	mutex   sync.Mutex
	lastID  int32
	waiting map[int32]chan struct{}
}

// expect returns the id for a command, and a channel that is closed when the answer comes.
func (a *acknowledgements) expect() (id int32, arrived <-chan struct{}) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.waiting == nil {
		a.waiting = make(map[int32]chan struct{})
	}
	// ids are positive: MessagePack integers of the reference are signed, and overflow wraps below zero.
	for {
		a.lastID = max(a.lastID+1, 1)
		if a.waiting[a.lastID] == nil {
			break
		}
	}
	answer := make(chan struct{})
	a.waiting[a.lastID] = answer
	return a.lastID, answer
}

func (a *acknowledgements) forget(id int32) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	delete(a.waiting, id)
}

// arrived ignores ids that nobody waits for (any more).
func (a *acknowledgements) arrived(id int32) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if answer := a.waiting[id]; answer != nil {
		close(answer)
		delete(a.waiting, id)
	}
}

// commandQueue runs the group commands of other servers: those for one connection in order, those for different ones at
// the same time. Its zero value with run set is ready for use.
type commandQueue struct {
	run func(groupCommand)

	workers sync.WaitGroup
	// mutex guards what follows.
	mutex sync.Mutex
	// waiting has, for every connection that a worker is busy with, the commands to come after.
	waiting map[string][]groupCommand
	count   int
	closed  bool
}

// add reports false when too many commands are under way.
func (q *commandQueue) add(command groupCommand) bool {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if q.closed {
		return true
	}
	if q.count >= maxGroupCommands {
		return false
	}
	q.count++
	if waiting, busy := q.waiting[command.connectionID]; busy {
		q.waiting[command.connectionID] = append(waiting, command)
		return true
	}
	if q.waiting == nil {
		q.waiting = make(map[string][]groupCommand)
	}
	q.waiting[command.connectionID] = nil
	q.workers.Go(func() { q.work(command) })
	return true
}

// work runs first and all commands for the same connection that come meanwhile.
func (q *commandQueue) work(first groupCommand) {
	for command, more := first, true; more; command, more = q.next(command.connectionID) {
		q.run(command)
	}
}

func (q *commandQueue) next(connectionID string) (command groupCommand, more bool) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.count--
	waiting := q.waiting[connectionID]
	if len(waiting) == 0 {
		delete(q.waiting, connectionID)
		return groupCommand{}, false
	}
	q.waiting[connectionID] = waiting[1:]
	return waiting[0], true
}

// close takes no more commands and waits for those under way.
func (q *commandQueue) close() {
	q.mutex.Lock()
	q.closed = true
	q.mutex.Unlock()
	q.workers.Wait()
}
