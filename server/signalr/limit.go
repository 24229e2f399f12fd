package signalr

import (
	"fmt"

	"golang.org/x/time/rate"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// newMessageLimit is what bounds the messages of one client, nil if nothing does.
func newMessageLimit(options *HubOptions) *rate.Limiter {
	if options.MaximumMessagesPerSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(options.MaximumMessagesPerSecond), options.MessageBurst)
}

// admit counts a message of the client, and ends the connection of one that sends too many. It is told why: to read on
// later would let it believe that it is heard.
func (c *connection) admit() bool {
	if c.messages == nil || c.messages.Allow() {
		return true
	}
	c.hub.refused(transport.LimitMessageRate)
	text := fmt.Sprintf(textTooManyMessages, c.hub.options.MaximumMessagesPerSecond)
	c.close(ending{close: protocol.Close{Error: text, AllowReconnect: true}, cause: ErrTooManyMessages})
	return false
}

// refused tells the observer that a client ran into a limit.
func (h *Hub) refused(limit transport.Limit) {
	if observer := h.server.options.Observer; observer != nil {
		observer.Refused(limit)
	}
}
