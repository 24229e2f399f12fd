package signalr

import (
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

// lookAheadInterval is how often who waits and reads nothing meanwhile lets acknowledgements behind it take effect.
const lookAheadInterval = 100 * time.Millisecond

// block says that who reads has to wait, until end is called: a client is not silent whose messages nobody reads. At each tick it
// is time to lookAhead; it never ticks for a client that acknowledges nothing.
func (c *connection) block() (tick <-chan time.Time, end func()) {
	c.keepAlive.blocked.Add(1)
	stop := func() {}
	if c.transport.Stateful() {
		ticker := time.NewTicker(lookAheadInterval)
		tick, stop = ticker.C, ticker.Stop
	}
	return tick, func() {
		stop()
		c.heard(false) // before it counts as silent again: the heartbeat may look just now
		c.keepAlive.blocked.Add(-1)
	}
}

// lookAhead acts on the acknowledgements in what waits behind a call, or behind an item of a stream. The calls that run may wait for
// the room that only these make, so that without it none would ever end. They are met again, and do nothing, when they are read in
// their turn.
func (c *connection) lookAhead(rest []byte) {
	for data := c.inbox.preview(rest); len(data) > 0; {
		message, length, err := c.codec().Decode(data, c.hub.options.MaximumReceiveMessageSize)
		if err != nil || length == 0 {
			return // a fault is dealt with in its turn
		}
		if ack, ok := message.(*protocol.Ack); ok {
			c.transport.Acknowledge(ack.SequenceID)
		}
		data = data[length:]
	}
}

// lookAheadDuring runs something of the application in the place of who reads, and looks ahead meanwhile: what it sends to the client
// may wait for the room that only acknowledgements make; rest is what the client has sent so far.
func (c *connection) lookAheadDuring(rest []byte, run func()) {
	done := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		tick, end := c.block()
		defer end()
		for {
			select {
			case <-tick:
				c.lookAhead(rest)
			case <-done:
				return
			}
		}
	})
	run()
	close(done)
	looking.Wait()
}
