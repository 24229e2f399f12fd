package signalr

import (
	"sync/atomic"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// keepAlive is what the heartbeat looks at.
type keepAlive struct {
	// lastPing is when the server last pinged; the heartbeat alone uses it.
	lastPing time.Time
	// received is when the client's last message was read, in nanoseconds since 1970; 0 until its first Ping: clients that
	// never ping are never missed.
	received atomic.Int64
	// blocked counts dispatchers that wait, for a call's turn or a stream's room: meanwhile what the client sent is not read, so it
	// is not silent.
	blocked atomic.Int32
	// withheldSince is since when messages wait for the client to acknowledge more than acknowledged; zero if none do. The heartbeat
	// alone uses both.
	withheldSince time.Time
	acknowledged  int64
}

// Heartbeat implements transport.Session.
func (c *connection) Heartbeat(now time.Time) {
	phase := c.phaseNow()
	if phase != phaseOpen && (phase != phaseOpening || !c.greeted.Load()) {
		return
	}
	if c.expired(now) {
		c.close(ending{close: protocol.Close{AllowReconnect: true}})
		return
	}
	if c.withholds(now) {
		c.transport.Abort(transport.ErrSlowClient)
		return
	}
	c.acknowledge()
	if c.transport.Kind() == transport.LongPolling {
		return // each poll shows that both sides live
	}
	if c.keepAlive.lastPing.IsZero() {
		c.keepAlive.lastPing = now
	}
	if now.Sub(c.keepAlive.lastPing) > c.hub.options.KeepAliveInterval {
		c.keepAlive.lastPing = now
		if c.transport.Idle() { // a client to which a message is on its way needs no ping
			c.transport.SendControl(c.hub.pings[c.protocolIndex])
		}
	}
	if phase != phaseOpen {
		return // what the client sends is not read yet
	}
	blocked := c.keepAlive.blocked.Load() != 0 // looked at first: the end of a wait is noted as something heard before
	received := c.keepAlive.received.Load()
	if received != 0 && !blocked && now.Sub(time.Unix(0, received)) > c.hub.options.ClientTimeoutInterval {
		c.closeWithError(&namedError{name: "OperationCanceledException", err: ErrClientTimeout})
	}
}

// withholds tells whether a client has not acknowledged anything for the time in which a silent one is given up, although messages
// wait for that. It may read and ping meanwhile, but whoever sends to it would wait with them.
func (c *connection) withholds(now time.Time) bool {
	waiting, acknowledged := c.transport.Withheld()
	k := &c.keepAlive
	switch {
	case !waiting:
		k.withheldSince = time.Time{}
	case k.withheldSince.IsZero() || acknowledged != k.acknowledged:
		k.withheldSince, k.acknowledged = now, acknowledged
	}
	return waiting && now.Sub(k.withheldSince) > c.hub.options.ClientTimeoutInterval
}

// expired tells whether the time is over for which the client proved who it is.
func (c *connection) expired(now time.Time) bool {
	user, ok := c.transport.Request().User.(interface{ Expires() time.Time })
	if !ok {
		return false
	}
	end := time.Unix(0, 0) // when it panics
	_, _ = c.hub.guarded("Expires", func() (any, error) {
		end = user.Expires()
		return nil, nil
	})
	return !end.IsZero() && now.After(end)
}

// heard notes that the client has sent something.
func (c *connection) heard(ping bool) {
	if ping || c.keepAlive.received.Load() != 0 {
		c.keepAlive.received.Store(time.Now().UnixNano())
	}
}
