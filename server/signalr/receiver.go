package signalr

import (
	"context"
	"slices"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// receiver is the hub as its backplane sees it.
type receiver Hub

// AddToGroup implements backplane.Receiver.
func (h *receiver) AddToGroup(ctx context.Context, connectionID, group string) (bool, error) {
	return (*Hub)(h).command(ctx, connectionID, func(c *connection) (bool, error) { return h.index.join(ctx, c, group) })
}

// RemoveFromGroup implements backplane.Receiver.
func (h *receiver) RemoveFromGroup(ctx context.Context, connectionID, group string) (bool, error) {
	return (*Hub)(h).command(ctx, connectionID, func(c *connection) (bool, error) {
		return true, h.index.part(ctx, c, group)
	})
}

// Complete implements backplane.Receiver.
func (h *receiver) Complete(protocolName string, frame []byte) {
	codec := protocol.Find(protocolName, h.options.Protocols)
	if codec == nil {
		h.log.Warn("a client result came in a protocol that is not spoken here", "protocol", protocolName)
		return
	}
	message, _, err := codec.Decode(frame, 0)
	completion, ok := message.(*protocol.Completion)
	if err != nil || !ok {
		h.log.Warn("a client result from another server cannot be read", "protocol", protocolName, "error", err)
		return
	}
	if err := h.results.complete("", codec, completion); err != nil {
		h.log.Warn("another server answered for a client of this one", "error", err)
	}
}

// Deliver implements backplane.Receiver: it hands one encoded message, shared by all, to every local client of target.
func (h *receiver) Deliver(target backplane.Target, message backplane.Message) {
	hub := (*Hub)(h)
	delivery := delivery{hub: hub, target: target, message: message}
	h.index.each(target, func(c *connection) {
		if !slices.Contains(message.Excluded, c.id()) {
			delivery.to(c)
		}
	})
	delivery.endStrangers()
}

// delivery is one message on its way to local clients.
type delivery struct {
	hub     *Hub
	target  backplane.Target
	message backplane.Message
	// payloads are the message for each protocol of the hub, made when the first client needs it.
	payloads [maximumProtocols]*transport.Payload
	// strangers are clients whose protocol the message does not have.
	strangers []*connection
}

// maximumProtocols is how many protocols a hub can have.
const maximumProtocols = 4

// to queues the message for one client. It does not block.
func (d *delivery) to(c *connection) {
	payload := d.payloads[c.protocolIndex]
	if payload == nil {
		payload = d.hub.invocationPayload(c.protocolIndex, d.message)
		d.payloads[c.protocolIndex] = payload
	}
	message := delivered{payload, d.message.InvocationID, d.message.ReturnTo}
	if side := c.side.Load(); side != nil && side.take(d.target, message) {
		return
	}
	if payload == nil {
		d.strangers = append(d.strangers, c)
		return
	}
	c.deliver(message)
}

// deliver queues a message for the client.
func (c *connection) deliver(message delivered) {
	if message.invocationID != "" && !c.hub.forwardedResult(message.invocationID, message.returnTo, c) {
		return
	}
	_ = c.transport.Send(message.payload) // a client that cannot take it is ended by Send; others do not care
}

// endStrangers ends the connections whose protocol is missing, with an invitation to reconnect: a message lost silently
// would be worse. A server that publishes without a protocol that clients of its peers speak is misconfigured.
func (d *delivery) endStrangers() {
	for _, c := range d.strangers {
		d.hub.log.Warn("another server sent a message without the protocol of a client here; the client is disconnected",
			"connection", c.id(), "protocol", c.codec().Name())
		c.closeWithError(errNoEncoding)
	}
}

func (h *Hub) invocationPayload(protocolIndex int, message backplane.Message) *transport.Payload {
	codec := h.options.Protocols[protocolIndex]
	for _, encoding := range message.Encodings {
		if encoding.Protocol == codec.Name() {
			return transport.NewPayload(encoding.Frame, codec.Binary())
		}
	}
	return nil
}
