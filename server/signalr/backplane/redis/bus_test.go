package redis

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// bus is a Redis within the process, without bytes and without time: publish/subscribe as Redis does it, with connections
// that break when a test says so.
type bus struct {
	// mutex guards what follows, and the fields of all connections.
	mutex       sync.Mutex
	connections []*busConnection
}

// busConnection is the carrier of one server. What Redis sends it comes in order, confirmations and messages alike.
type busConnection struct {
	bus        *bus
	table      *subscriptions
	leg        *leg
	cut        bool
	subscribed map[string]bool
	inbox      []busReply
	// arrived tells the reader that there is something in the inbox, or that the connection has changed.
	arrived chan struct{}
}

type busReply struct {
	channel string
	payload []byte
	// confirms: it is an answer to a subscription, not a message. With no channel: all that was asked is in place.
	confirms bool
}

// connect makes a server on the bus.
func (b *bus) connect(t testing.TB, change func(*Options)) (*Backplane, *busConnection) {
	t.Helper()
	options := Options{}
	change(&options)
	plane, ctx := newBackplane(options.withDefaults(), "the bus")
	connection := &busConnection{
		bus: b, table: plane.table, leg: plane.status.leg(subscribing),
		subscribed: make(map[string]bool), arrived: make(chan struct{}, 1),
	}
	plane.carrier = connection
	b.mutex.Lock()
	b.connections = append(b.connections, connection)
	b.mutex.Unlock()
	connection.restart()
	plane.goroutines.Go(func() { connection.run(ctx) })
	t.Cleanup(func() { _ = plane.Close() })
	return plane, connection
}

func (c *busConnection) run(ctx context.Context) {
	defer c.sever()
	for {
		c.subscribe()
		for _, reply := range c.take() {
			switch {
			case !reply.confirms:
				if deliver := c.table.handler(reply.channel); deliver != nil {
					deliver(reply.payload)
				}
			case reply.channel == "":
				c.leg.rise()
			default:
				c.table.confirm(reply.channel)
			}
		}
		select {
		case <-c.arrived:
		case <-c.table.wake:
		case <-ctx.Done():
			return
		}
	}
}

// subscribe lets Redis carry out what the table asks for.
func (c *busConnection) subscribe() {
	c.bus.mutex.Lock()
	defer c.bus.mutex.Unlock()
	if c.cut {
		return
	}
	subscribe, unsubscribe := c.table.changes()
	for _, channel := range unsubscribe {
		delete(c.subscribed, channel)
		c.inbox = append(c.inbox, busReply{channel: channel, confirms: true})
	}
	for _, channel := range subscribe {
		c.subscribed[channel] = true
		c.inbox = append(c.inbox, busReply{channel: channel, confirms: true})
	}
	if len(subscribe)+len(unsubscribe) > 0 {
		signal(c.arrived)
	}
}

func (c *busConnection) take() []busReply {
	c.bus.mutex.Lock()
	defer c.bus.mutex.Unlock()
	taken := c.inbox
	c.inbox = nil
	return taken
}

func (c *busConnection) order() string { return c.table.source() }

func (c *busConnection) publish(_ context.Context, channel string, payload []byte) (receivers int64, err error) {
	c.bus.mutex.Lock()
	defer c.bus.mutex.Unlock()
	if c.cut {
		return 0, fmt.Errorf("the bus is cut: %w", backplane.ErrUnavailable)
	}
	for _, other := range c.bus.connections {
		if other.subscribed[channel] {
			other.inbox = append(other.inbox, busReply{channel: channel, payload: payload})
			signal(other.arrived)
			receivers++
		}
	}
	return receivers, nil
}

// sever ends the connection: what was on its way is lost.
func (c *busConnection) sever() {
	c.bus.mutex.Lock()
	c.cut, c.inbox = true, nil
	clear(c.subscribed)
	c.bus.mutex.Unlock()
	c.table.hears("")
	c.leg.fall(errSessionEnded)
}

// restart connects anew.
func (c *busConnection) restart() {
	c.bus.mutex.Lock()
	c.cut = false
	c.table.hears("the bus")
	c.table.restart()
	c.bus.mutex.Unlock()
	c.subscribe()
	c.bus.mutex.Lock()
	defer c.bus.mutex.Unlock()
	c.inbox = append(c.inbox, busReply{confirms: true})
	signal(c.arrived)
}
