package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// hub is one hub of this process.
type hub struct {
	plane    *Backplane
	channels channels
	receiver backplane.Receiver
	logger   *slog.Logger
	// malformed limits the log lines about payloads that cannot be read.
	malformed logLimit

	// fixed are the channels that every server of a hub listens to, whoever its clients are.
	fixed []string

	// failedCommands limits the log lines about other servers' commands that failed here.
	failedCommands   logLimit
	acknowledgements acknowledgements
	commands         commandQueue
	// commandFences counts the fences that have cut the group commands.
	commandFences atomic.Uint64

	// closing ends when Close is called; cancel ends it.
	closing context.Context //nolint:containedctx // the lifetime of the hub, for the work it starts by itself
	cancel  context.CancelFunc
	// receiving is held while the subscriber calls the receiver, so that Close can wait; it guards closed.
	receiving sync.Mutex
	closed    bool
}

func newHub(plane *Backplane, channels channels, receiver backplane.Receiver) *hub {
	h := &hub{plane: plane, channels: channels, receiver: receiver}
	h.logger = plane.options.Logger.With("hub", channels.hub)
	h.closing, h.cancel = context.WithCancel(context.Background())
	h.commands.run = h.carryOut
	fixed := []handler{
		h.handlerOf(backplane.Target{Scope: backplane.ScopeAll}),
		{channels.groups(), h.receiveGroupCommand},
		{channels.acknowledgements(channels.server), h.receiveAcknowledgement},
		{channels.results(), h.receiveCompletion},
	}
	if plane.options.Mode != ModeSharded { // there they come in each channel
		fixed = append(fixed, handler{channels.fences(), h.receiveFence})
	}
	h.fixed = namesOf(fixed)
	plane.table.add(h, fixed)
	return h
}

func (h *hub) handlerOf(target backplane.Target) handler {
	return handler{h.channels.target(target), func(payload []byte) { h.receiveInvocation(target, payload) }}
}

// receiveInvocation and the other functions that receive are called by the subscriber, one at a time.
func (h *hub) receiveInvocation(target backplane.Target, payload []byte) {
	message, extra, err := decodeInvocation(payload)
	if err != nil {
		h.receiveFenceInBand(target, payload, err)
		return
	}
	if extra.sent > 0 {
		h.plane.options.Observer.Transit(time.Since(time.UnixMicro(extra.sent)))
	}
	if target.Scope != backplane.ScopeConnection {
		message.InvocationID, message.ReturnTo = "", "" // many clients cannot give one result: ASP.NET Core does not ask them either
	} else if extra.question != 0 {
		h.answerQuestion(message.ReturnTo, extra.question)
	}
	h.whileOpen(func() { h.receiver.Deliver(target, message) })
}

// whileOpen calls the receiver unless the hub has been closed.
func (h *hub) whileOpen(call func()) {
	h.receiving.Lock()
	defer h.receiving.Unlock()
	if !h.closed {
		call()
	}
}

// dropped logs a payload that cannot be read. Its contents belong to users and stay out of the log.
func (h *hub) dropped(err error, size int) {
	if count, due := h.malformed.add(time.Now()); due {
		h.logger.Warn("dropped what could not be read from Redis", "error", err, "bytes", size, "dropped", count)
	}
}

// Publish implements backplane.Hub.
func (h *hub) Publish(ctx context.Context, target backplane.Target, message backplane.Message) error {
	if message.InvocationID != "" && target.Scope == backplane.ScopeConnection {
		return h.ask(ctx, target, message)
	}
	payload := encodeInvocation(message, extension{sent: time.Now().UnixMicro()})
	if _, err := h.publish(ctx, h.channels.target(target), payload); err != nil {
		return fmt.Errorf("publish a message: %w", err)
	}
	return nil
}

func (h *hub) publish(ctx context.Context, channel string, payload []byte) (receivers int64, err error) {
	if h.closing.Err() != nil {
		return 0, backplane.ErrClosed
	}
	if h.plane.isolated() {
		return h.plane.deliverHere(channel, payload), nil
	}
	return h.plane.carrier.publish(ctx, channel, payload)
}

var errSubscribeTimeout = errors.New("subscribe timeout")

// Subscribe implements backplane.Hub. When it fails none of targets is subscribed. It waits for the channels that every
// server listens to as well, because a connection without them would miss messages to all.
func (h *hub) Subscribe(ctx context.Context, targets ...backplane.Target) error {
	if h.closing.Err() != nil {
		return fmt.Errorf("subscribe: %w", backplane.ErrClosed)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.plane.options.SubscribeTimeout, errSubscribeTimeout)
	defer cancel()
	handlers := h.handlersOf(targets)
	names, table := namesOf(handlers), h.plane.table
	fixed := table.await(h.fixed)
	defer table.leave(fixed, h.fixed)
	own := table.add(h, handlers)
	patience := h.plane.options.SubscribeTimeout / catchUpShare
	before := h.catchUp(targets, patience)
	for _, waiting := range []*waiter{fixed, own} {
		if h.plane.isolated() {
			return nil
		}
		if err := h.await(ctx, waiting); err != nil {
			table.leave(own, names)
			table.remove(h, names)
			return err
		}
	}
	before.wait(ctx, patience)
	if h.closing.Err() != nil {
		return fmt.Errorf("subscribe: %w", backplane.ErrClosed)
	}
	return nil
}

// catchUp waits for what a client must not hear, if there is one among targets. It returns nil where nothing of it can come once
// the client's own channel is confirmed: over the one connection of publish/subscribe.
func (h *hub) catchUp(targets []backplane.Target, patience time.Duration) *waiter {
	begins := func(target backplane.Target) bool { return target.Scope == backplane.ScopeConnection }
	if h.plane.options.Mode == ModePubSub || !slices.ContainsFunc(targets, begins) {
		return nil
	}
	return h.plane.table.catchUp(patience)
}

// handlersOf leaves out ScopeAll, which is among the fixed channels.
func (h *hub) handlersOf(targets []backplane.Target) []handler {
	handlers := make([]handler, 0, len(targets))
	for _, target := range targets {
		if target.Scope != backplane.ScopeAll {
			handlers = append(handlers, h.handlerOf(target))
		}
	}
	return handlers
}

func namesOf(handlers []handler) []string {
	names := make([]string, len(handlers))
	for i, handler := range handlers {
		names[i] = handler.channel
	}
	return names
}

func (h *hub) await(ctx context.Context, waiting *waiter) error {
	select {
	case <-waiting.done:
		return nil
	case <-h.closing.Done():
		return fmt.Errorf("subscribe: %w", backplane.ErrClosed)
	case <-ctx.Done():
	}
	if cause := context.Cause(ctx); !errors.Is(cause, errSubscribeTimeout) {
		return fmt.Errorf("subscribe: wait for Redis: %w", cause)
	}
	status := h.plane.status
	return fmt.Errorf("subscribe: redis at %s did not confirm within %s (%s): %w",
		status.address, h.plane.options.SubscribeTimeout, status.reason(), backplane.ErrUnavailable)
}

// Unsubscribe implements backplane.Hub.
func (h *hub) Unsubscribe(targets ...backplane.Target) {
	h.plane.table.remove(h, namesOf(h.handlersOf(targets)))
}

// Close implements backplane.Hub. Calls that wait for Redis or for another server return backplane.ErrClosed.
func (h *hub) Close() error {
	h.cancel()
	h.receiving.Lock()
	h.closed = true
	h.receiving.Unlock()
	h.commands.close()
	h.plane.table.removeAll(h)
	h.plane.forget(h)
	return nil
}
