package handover

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/handover/book"
	"github.com/chatcluster/chatcluster/hack/bench/handover/haproxy"
	"github.com/chatcluster/chatcluster/hack/bench/handover/stateful"
	"github.com/chatcluster/chatcluster/hack/bench/stamp"
	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

const (
	// textSize is the length of what is said.
	textSize = 64
	// pairEvery is after how many words a client says two at once, so that they could come in the wrong order.
	pairEvery = 5
	// quietAfter is how long nothing may arrive before what is missing counts as lost.
	quietAfter = 10 * time.Second
	lookPause  = 100 * time.Millisecond
)

// speaker is a client that can be told to say something. How that ends is told to the crowd, unless it is an error here.
type speaker interface {
	Say(number int64, text string) error
}

// crowd are the clients, who all hear what each of them says.
type crowd struct {
	books    *book.Book
	log      io.Writer // gets a line for each session that is lost
	speakers []speaker
	owners   []atomic.Value // name of the server that took what a client said last
	fronts   []atomic.Value // name of the place that a client's socket goes through
	turn     int            // whose turn it is to speak
	running  sync.WaitGroup
	stop     context.CancelFunc
	failed   chan error // gets why the JavaScript process ended, if it should not have; holds one
}

// gather starts raw clients, half of them with each protocol, and JavaScript clients, and returns when all are connected.
func gather(ctx context.Context, url string, o Options, log io.Writer) (*crowd, error) {
	count := o.Raw + o.JavaScript
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &crowd{books: book.New(count), log: log, owners: make([]atomic.Value, count), fronts: make([]atomic.Value, count), stop: stop, failed: make(chan error, 1)}
	protocols := []protocol.Protocol{protocol.JSON{}, protocol.MessagePack{}}
	for i := range o.Raw {
		spoken := protocols[i%len(protocols)]
		client, err := stateful.New(stateful.Options{
			URL: url, Protocol: spoken, User: fmt.Sprint("raw-", i), Observer: &listener{crowd: c, index: i, protocol: spoken},
		})
		if err != nil {
			c.disperse()
			return nil, err
		}
		c.speakers = append(c.speakers, client)
		c.running.Go(func() { client.Run(running) })
	}
	if o.JavaScript > 0 {
		if err := c.startJavaScript(running, url, o); err != nil {
			c.disperse()
			return nil, err
		}
	}
	if err := c.awaitAll(ctx); err != nil {
		c.disperse()
		return nil, err
	}
	return c, nil
}

// disperse ends all clients.
func (c *crowd) disperse() {
	c.stop()
	c.running.Wait()
}

// failure is why the JavaScript process ended by itself, nil as long as it runs. Its clients are in the books as they were then.
func (c *crowd) failure() error {
	select {
	case err := <-c.failed:
		c.failed <- err // for the next who looks
		return err
	default:
		return nil
	}
}

// awaitAll returns when all clients have a session.
func (c *crowd) awaitAll(ctx context.Context) error {
	ticker := time.NewTicker(lookPause / 2)
	defer ticker.Stop()
	for {
		if err := c.failure(); err != nil {
			return err
		}
		away := c.books.Away()
		if away == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d clients are not connected: %w", away, len(c.owners), context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// talk lets the clients speak in turn, so many words a second, until ctx ends.
func (c *crowd) talk(ctx context.Context, rate int) {
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	for word := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if word < 0 { // somebody has said two words instead of one
			word++
			continue
		}
		client := c.turn % len(c.speakers)
		c.turn++
		if !c.books.There(client) {
			continue // an application that knows it has no connection does not call
		}
		c.say(client)
		if word++; word == pairEvery {
			c.say(client)
			word = -1
		}
	}
}

// say lets a client say one thing.
func (c *crowd) say(client int) {
	now := time.Now()
	number := c.books.Say(client, now)
	text := stamp.Append(nil, stamp.Stamp{Tag: uint32(client), Sequence: uint32(number)}, textSize)
	if err := c.speakers[client].Say(int64(number), string(text)); err != nil {
		c.books.Answer(number, err)
	}
}

// hear books what a client heard.
func (c *crowd) hear(client int, text []byte, server func() string, at time.Time) {
	start := bytes.IndexByte(text, stamp.Mark)
	if start < 0 {
		return
	}
	mark, ok := stamp.Parse(text[start:])
	if !ok {
		return
	}
	c.books.Hear(client, int(mark.Tag), int(mark.Sequence), at)
	if int(mark.Tag) == client {
		c.owners[client].Store(server())
	}
}

// left notes that a client's session ended.
func (c *crowd) left(client int, reason any) {
	c.books.Leave(client)
	_, _ = fmt.Fprintf(c.log, "%s client %d of %s lost its session: %v\n", time.Now().Format(time.StampMilli), client, c.owner(client), reason)
}

// owner is the server that took a client's last words, as far as they came back.
func (c *crowd) owner(client int) string {
	name, _ := c.owners[client].Load().(string)
	return name
}

// front is the place that a client's socket goes through, its server's or one whose server passes on what it says.
func (c *crowd) front(client int) string {
	name, _ := c.fronts[client].Load().(string)
	return name
}

// settle waits until all has arrived that was said, or until nothing more comes.
func (c *crowd) settle(ctx context.Context) {
	ticker := time.NewTicker(lookPause)
	defer ticker.Stop()
	for last, since := -1, time.Now(); time.Since(since) < quietAfter; {
		settled, progress := c.books.Settled()
		if settled {
			return
		}
		if progress != last {
			last, since = progress, time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// listener is the observer of a raw client.
type listener struct {
	crowd    *crowd
	index    int
	protocol protocol.Protocol
}

// Joined implements stateful.Observer.
func (l *listener) Joined() { l.crowd.books.Join(l.index, time.Now()) }

// Left implements stateful.Observer.
func (l *listener) Left(reason error) { l.crowd.left(l.index, reason) }

// Opened implements stateful.Observer.
func (l *listener) Opened(header http.Header) {
	l.crowd.fronts[l.index].Store(header.Get(haproxy.PlaceHeader))
}

// SocketEnded implements stateful.Observer.
func (l *listener) SocketEnded() { l.crowd.books.EndSocket(l.index) }

// Heard implements stateful.Observer.
func (l *listener) Heard(text, server protocol.Raw) {
	l.crowd.hear(l.index, text, func() (name string) {
		_ = l.protocol.Unmarshal(server, &name) // another name than a server's is no owner
		return name
	}, time.Now())
}

// Answered implements stateful.Observer.
func (l *listener) Answered(number int64, err error) { l.crowd.books.Answer(int(number), err) }
