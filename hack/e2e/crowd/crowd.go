// Package crowd is a crowd of clients that chat with each other through a hub while a test disturbs the servers: clients
// in Go, and Microsoft's JavaScript clients in a process of their own. Each comes back whenever its connection is lost,
// and a ledger keeps the books.
package crowd

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatcluster/chatcluster/hack/e2e/ledger"
)

// speaker is a client that can be told to say something.
type speaker interface {
	name() string
	// say sends text in the background; the answer is given to the crowd.
	say(ctx context.Context, text string)
}

// Options are how large a crowd is and where it meets.
type Options struct {
	// URL is the hub, such as http://172.18.0.2:30080/chatHub.
	URL string
	// Go and JavaScript are how many clients of each kind there are.
	Go, JavaScript int
	// JavaScriptFolder is hack/clients/javascript with its packages installed.
	JavaScriptFolder string
	// Transport is the one that the JavaScript clients take, as Microsoft names it. Default: WebSockets.
	Transport string
	// Stateful lets the JavaScript clients ask for stateful reconnect.
	Stateful bool
	// Log is told what the tests' log should know.
	Log func(format string, values ...any)
}

// Crowd is a number of connected clients.
type Crowd struct {
	options  Options
	speakers []speaker
	stop     context.CancelFunc
	clients  sync.WaitGroup
	errs     chan error // why the JavaScript process ended, if it should not have

	mu     sync.Mutex // guards what follows
	phases map[string]*phase
	joined map[string]bool // clients, and whether they are connected now
	silent map[string]bool // clients that have heard nothing since their WebSocket ended, be it that the connection outlives it
	moved  time.Time       // when one of them came or went last
	next   int             // number of the next phase

	reconnects atomic.Int64
}

// phase is what goes on between Begin and End.
type phase struct {
	name    string
	books   *ledger.Ledger
	servers map[string]int // how many messages were taken by each
}

// Start returns a crowd whose clients are all connected.
func Start(ctx context.Context, options Options) (*Crowd, error) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := newCrowd(options)
	c.stop = stop
	for i := range options.Go {
		client := &goClient{crowd: c, id: "go-" + strconv.Itoa(i), connected: make(chan struct{})}
		c.speakers = append(c.speakers, client)
		c.clients.Go(func() { client.run(running) })
	}
	if options.JavaScript > 0 {
		speakers, err := c.startJavaScript(running)
		if err != nil {
			c.Stop()
			return nil, err
		}
		c.speakers = append(c.speakers, speakers...)
	}
	if err := c.AwaitAll(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

func newCrowd(options Options) *Crowd {
	return &Crowd{
		options: options, errs: make(chan error, 1),
		phases: map[string]*phase{}, joined: map[string]bool{}, silent: map[string]bool{},
	}
}

// Stop ends all clients.
func (c *Crowd) Stop() {
	c.stop()
	c.clients.Wait()
}

// Size is how many clients the crowd has.
func (c *Crowd) Size() int { return len(c.speakers) }

// AwaitAll returns when all clients are connected.
func (c *Crowd) AwaitAll(ctx context.Context) error {
	for {
		connected := c.Connected()
		if connected == c.options.Go+c.options.JavaScript {
			return nil
		}
		select {
		case err := <-c.errs:
			return err
		case <-ctx.Done():
			return fmt.Errorf("%d of %d clients are connected: %w", connected, c.options.Go+c.options.JavaScript, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// AwaitCalm returns when all clients are connected and none has come or gone for a while from now on: a client may take a
// moment to notice that its server is gone. One with stateful reconnect is connected without a WebSocket, too, and may still
// learn that there is nothing to resume: it is there when it has heard something. So somebody has to speak.
func (c *Crowd) AwaitCalm(ctx context.Context, while time.Duration) error {
	since := time.Now()
	for {
		if err := c.AwaitAll(ctx); err != nil {
			return err
		}
		c.mu.Lock()
		if c.moved.After(since) {
			since = c.moved
		}
		rest := while - time.Since(since)
		if len(c.silent) > 0 {
			rest = max(rest, 50*time.Millisecond)
		}
		c.mu.Unlock()
		if rest <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("clients still come and go: %w", ctx.Err())
		case <-time.After(rest):
		}
	}
}

// Connected is how many clients are connected now.
func (c *Crowd) Connected() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	connected := 0
	for _, there := range c.joined {
		if there {
			connected++
		}
	}
	return connected
}

// join notes that a client is connected; again says that it was before.
func (c *Crowd) join(client string, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined[client], c.moved = true, time.Now()
	delete(c.silent, client)
	if again {
		c.reconnects.Add(1)
	}
	for _, phase := range c.phases {
		phase.books.Join(client, time.Now())
	}
}

// leave notes that a client has lost its connection.
func (c *Crowd) leave(client string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined[client], c.moved = false, time.Now()
}

// loseSocket notes that a client's WebSocket has ended.
func (c *Crowd) loseSocket(client string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent[client], c.moved = true, time.Now()
}

// hear books a message that a client received.
func (c *Crowd) hear(client, text, server string, at time.Time) {
	c.mu.Lock()
	if c.silent[client] {
		delete(c.silent, client)
		c.moved = time.Now()
	}
	phase := c.phaseOf(text)
	if phase != nil {
		phase.servers[server]++
	}
	c.mu.Unlock()
	if phase != nil {
		phase.books.Hear(client, text, at)
	}
}

// answer books the end of a call.
func (c *Crowd) answer(text string, err error) {
	c.mu.Lock()
	phase := c.phaseOf(text)
	c.mu.Unlock()
	if phase != nil {
		phase.books.Answer(text, err)
	}
}

// phaseOf finds the phase that a message belongs to; its text begins with the name.
func (c *Crowd) phaseOf(text string) *phase {
	name, _, _ := strings.Cut(text, "/")
	return c.phases[name]
}
