// Package redis is a backplane.Backplane on Redis publish/subscribe. Its channels and payloads are those of
// Microsoft.AspNetCore.SignalR.StackExchangeRedis, so that servers in Go and in ASP.NET Core with the same hub name and
// channel prefix share their clients.
//
// Delivery is at most once, as Redis publish/subscribe is: what is published while a server is not connected does not
// reach its clients, and a message whose publisher got an error may or may not have been delivered. Messages of one
// publisher to one channel arrive in order.
//
// Other modes, for servers in Go only, go through sharded publish/subscribe or through capped streams. With streams a
// message that Redis has taken reaches every server once, over lost connections, restarts and fail-overs of Redis.
package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// Backplane connects the hubs of one process with those of others. It has two connections to Redis however many hubs
// there are. All methods may be called concurrently.
type Backplane struct {
	options    Options
	status     *status
	table      *subscriptions
	carrier    carrier
	cancel     context.CancelFunc
	goroutines sync.WaitGroup
	// heardElsewhere is connector's isHeardElsewhere; nil where there is but one place to publish.
	heardElsewhere func(ctx context.Context, channel string) bool

	// mutex guards what follows. It is not held while a hub closes.
	mutex  sync.Mutex
	closed bool
	hubs   map[string]*hub
}

var _ backplane.Backplane = (*Backplane)(nil)

// New starts to connect to Redis and returns at once; Ready waits. Close it when it is no longer needed.
func New(options Options) *Backplane {
	options = options.withDefaults()
	connector := newConnector(options)
	b, ctx := newBackplane(options, connector.place.String())
	b.heardElsewhere = connector.isHeardElsewhere
	if options.Mode != ModePubSub {
		options.Logger.Info("ASP.NET Core servers cannot share this Redis mode, they speak pubsub only", "mode", options.Mode)
	}
	b.carrier = newCarrier(connector, options, b.table, b.status)
	b.goroutines.Go(func() { b.carrier.run(ctx) })
	b.goroutines.Go(func() { connector.lookout.run(ctx) })
	if observe := options.Observer.ServersSeen; observe != nil {
		inspector := &inspector{connector: connector, interval: options.ServerInfoInterval, observe: observe}
		b.goroutines.Go(func() { inspector.run(ctx) })
	}
	return b
}

// newBackplane returns a Backplane that has no carrier yet, and the context that ends with it.
func newBackplane(options Options, place string) (*Backplane, context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	return &Backplane{
		options: options,
		status:  newStatus(options, place),
		table:   newSubscriptions(options.Observer.SubscriptionsChanged),
		cancel:  cancel,
		hubs:    make(map[string]*hub),
	}, ctx
}

// State returns how things stand now.
func (b *Backplane) State() State { return b.status.snapshot() }

// Ready waits until Redis has been reached once, and all hubs opened before then are subscribed. It returns an error that
// says what is wrong with Redis when ctx ends first.
func (b *Backplane) Ready(ctx context.Context) error { return b.status.ready(ctx) }

// Open implements backplane.Backplane. To share clients with ASP.NET Core, name must be the full name of the .NET hub
// type. A name can be open only once at a time, and must not contain a colon, which ends it in channel names.
func (b *Backplane) Open(name string, receiver backplane.Receiver) (backplane.Hub, error) {
	if name == "" || strings.Contains(name, ":") {
		return nil, fmt.Errorf("open hub %q: the name must not be empty or contain a colon", name)
	}
	if err := checkMode(b.options); err != nil {
		return nil, fmt.Errorf("open hub %q: %w", name, err)
	}
	server, err := newServerName()
	if err != nil {
		return nil, fmt.Errorf("open hub %q: %w", name, err)
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.closed {
		return nil, fmt.Errorf("open hub %q: %w", name, backplane.ErrClosed)
	}
	if b.hubs[name] != nil {
		return nil, fmt.Errorf("open hub %q: %w", name, errAlreadyOpen)
	}
	opened := newHub(b, channels{prefix: b.options.ChannelPrefix, hub: name, server: server}, receiver)
	b.hubs[name] = opened
	return opened, nil
}

var errAlreadyOpen = errors.New("it is open already")

// Close closes the hubs that are still open, and the connections to Redis.
func (b *Backplane) Close() error {
	for _, open := range b.close() {
		_ = open.Close()
	}
	b.cancel()
	b.goroutines.Wait()
	return nil
}

// close allows no more hubs and returns those that are open.
func (b *Backplane) close() []*hub {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.closed = true
	open := make([]*hub, 0, len(b.hubs))
	for _, hub := range b.hubs {
		open = append(open, hub)
	}
	return open
}

// forget is called by a hub that has closed.
func (b *Backplane) forget(closed *hub) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.hubs[closed.channels.hub] == closed {
		delete(b.hubs, closed.channels.hub)
	}
}

// newServerName returns a name that no other hub of any server has, in the form that ASP.NET Core uses: a person who
// looks at the channels in Redis sees which machine is which.
func newServerName() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("find out the host's name: %w", err)
	}
	var random [16]byte
	// rand.Read never returns an error.
	_, _ = rand.Read(random[:])
	return host + "_" + hex.EncodeToString(random[:]), nil
}
