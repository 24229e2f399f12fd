package signalr

import (
	"context"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// open performs the handshake with what the client has sent so far. It returns what follows the handshake, and whether the
// connection is open; if not, the handshake is incomplete or the connection has been ended.
func (c *connection) open(data []byte) (rest []byte, opened bool) {
	request, length, err := protocol.ParseHandshakeRequest(data, c.hub.options.MaximumReceiveMessageSize)
	if err == nil && length == 0 {
		return data, false
	}
	if !c.advance(phaseHandshake, phaseOpening) {
		return nil, false
	}
	c.handshake.Stop()
	if err == nil {
		err = c.choose(request)
	}
	if err != nil {
		c.refuse(protocol.HandshakeErrorText(err, c.hub.options.EnableDetailedErrors), transport.CloseNormal)
		return nil, false
	}
	rest = data[length:]
	return rest, c.register() && c.connect(rest)
}

// choose settles the protocol of the connection.
func (c *connection) choose(request protocol.HandshakeRequest) error {
	index, err := request.Select(c.hub.options.Protocols, c.transport.Kind().Binary())
	if err != nil {
		return err
	}
	c.protocolIndex = index
	if request.Version < protocol.MaximumVersion {
		c.transport.DisableStateful() // Ack and Sequence came with version 2
	}
	_, err = c.hub.guarded("UserID", func() (any, error) {
		c.user = c.hub.options.UserID(c.transport.Request())
		return nil, nil
	})
	return err
}

// register makes the connection known, so that no message can be missed from the moment when its client is told that it
// is connected; what comes before that waits behind the handshake response.
func (c *connection) register() bool {
	if c.hub.closing.Load() {
		c.refuse(textServerClosing, transport.CloseNormal)
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.context), c.hub.options.HandshakeTimeout)
	defer cancel()
	if err := c.hub.index.add(ctx, c); err != nil {
		c.hub.log.Warn("a connection cannot be registered", "connection", c.id(), "error", err)
		c.refuse(textNoBackplane, transport.CloseInternalError)
		return false
	}
	c.transport.Start(c.handshakeResponse(""))
	c.greeted.Store(true)
	if c.hub.closing.Load() {
		c.sendElsewhere() // the server began to close meanwhile, and may have told all whom it knew before
	}
	return true
}

// connect runs OnConnected and lets the client's calls begin; rest is what it has sent behind its handshake.
func (c *connection) connect(rest []byte) bool {
	var err error
	if c.transport.Stateful() {
		c.lookAheadDuring(rest, func() { err = c.hub.connected(c) })
	} else {
		err = c.hub.connected(c)
	}
	c.mu.Lock()
	c.cleanup = err == nil
	c.mu.Unlock()
	if c.advance(phaseOpening, phaseOpen) {
		if err == nil {
			return true
		}
		text := c.hub.visibleText(textClosedWithError, err)
		c.close(ending{close: protocol.Close{Error: text}, cause: err})
		return false
	}
	c.tearDown()
	return false
}

// refuse answers the handshake with an error and ends the connection.
func (c *connection) refuse(text string, code uint16) {
	c.transport.Start(c.handshakeResponse(text))
	c.transport.Finish(nil, code)
	c.end(nil)
}

// handshakeResponse travels as the protocol wants it once it is chosen: a binary protocol in a binary message.
func (c *connection) handshakeResponse(errorText string) *transport.Payload {
	return transport.NewPayload(protocol.AppendHandshakeResponse(nil, errorText), errorText == "" && c.codec().Binary())
}

// handshakeTimedOut ends a connection whose client did not complete the handshake in time.
func (c *connection) handshakeTimedOut() {
	if !c.advance(phaseHandshake, phaseOpening) {
		return
	}
	c.refuse(protocol.HandshakeCanceled, transport.CloseNormal)
}
