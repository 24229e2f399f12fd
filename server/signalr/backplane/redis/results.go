package redis

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// NewInvocation implements backplane.Hub. The id is what ASP.NET Core's Redis backplane uses: 16 random bytes in base64.
func (h *hub) NewInvocation() (id, returnTo string) {
	var random [16]byte
	// rand.Read never returns an error.
	_, _ = rand.Read(random[:])
	return base64.RawStdEncoding.EncodeToString(random[:]), h.channels.returnAddress()
}

// ask publishes a message whose result is wanted. It fails when no server has the connection. Redis says so by the number
// of subscribers; where it cannot, the server that has the connection is asked to answer.
func (h *hub) ask(ctx context.Context, target backplane.Target, message backplane.Message) error {
	ctx, cancel := context.WithTimeoutCause(ctx, h.plane.options.AcknowledgeTimeout, errAcknowledgeTimeout)
	defer cancel()
	id, answered := h.acknowledgements.expect()
	defer h.acknowledgements.forget(id)
	extra := extension{sent: time.Now().UnixMicro()}
	if h.plane.options.Mode == ModeStreams {
		extra.question = id
	}
	receivers, err := h.publish(ctx, h.channels.target(target), encodeInvocation(message, extra))
	switch {
	case err != nil:
		return fmt.Errorf("publish a message: %w", err)
	case receivers == 0 && h.isHeardElsewhere(ctx, h.channels.target(target)):
		return nil
	case receivers == 0:
		return fmt.Errorf("connection %q: %w", target.Name, backplane.ErrConnectionNotFound)
	case receivers > 0:
		return nil
	}
	select {
	case <-answered:
		return nil
	case <-h.closing.Done():
		return fmt.Errorf("ask connection %q: %w", target.Name, backplane.ErrClosed)
	case <-ctx.Done():
	}
	if cause := context.Cause(ctx); !errors.Is(cause, errAcknowledgeTimeout) {
		return fmt.Errorf("ask connection %q: %w", target.Name, cause)
	}
	return fmt.Errorf("connection %q: no server answered within %s: %w",
		target.Name, h.plane.options.AcknowledgeTimeout, backplane.ErrConnectionNotFound)
}

// isHeardElsewhere tells whether a server may have the connection whose channel nobody has subscribed where this process
// publishes.
func (h *hub) isHeardElsewhere(ctx context.Context, channel string) bool {
	heard := h.plane.heardElsewhere
	return heard != nil && h.plane.options.Mode == ModePubSub && !h.plane.isolated() && heard(ctx, channel)
}

// answerQuestion tells the server that asks for a client's result that the connection is here.
func (h *hub) answerQuestion(returnTo string, id int32) {
	server, known := h.channels.serverOf(returnTo)
	if !known || !h.commands.add(groupCommand{id: id, server: server, action: groupNone, connectionID: strconv.Itoa(int(id))}) {
		h.dropped(errTooManyCommands, 0)
	}
}

// Return implements backplane.Hub. It succeeds when Redis has taken the answer, be the server that asked still there or
// not.
func (h *hub) Return(ctx context.Context, returnTo, protocol string, frame []byte) error {
	payload := encodeCompletion(completion{protocol: protocol, frame: frame})
	if _, err := h.publish(ctx, h.channels.returnTo(returnTo), payload); err != nil {
		return fmt.Errorf("return a client result: %w", err)
	}
	return nil
}

func (h *hub) receiveCompletion(payload []byte) {
	answer, err := decodeCompletion(payload)
	if err != nil {
		h.dropped(err, len(payload))
		return
	}
	h.whileOpen(func() { h.receiver.Complete(answer.protocol, answer.frame) })
}
