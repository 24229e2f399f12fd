// Package client is a small client of the chat hub: JSON over WebSockets, as the SignalR clients of other languages do
// it. Tools use it that have to know whether a chat works: `hubserver check` and the end-to-end suite. It does not
// reconnect: whoever uses it decides what a lost connection means.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	// pingInterval keeps the server from giving the client up: the default of the SignalR clients.
	pingInterval = 15 * time.Second
	// serverTimeout of silence means that the server is gone: two of its pings did not come.
	serverTimeout = 30 * time.Second
	// closeTimeout bounds the goodbye to a server that does not answer.
	closeTimeout = 2 * time.Second
	// maximumMessage bounds what a server may make the client hold.
	maximumMessage = 1 << 20
)

// Message is something that was said in the chat.
type Message struct {
	User, Text string
	// Server is the name of the server that the sender spoke to.
	Server string
}

// Options are what Dial can be told. The zero value is good.
type Options struct {
	// OnMessage, if not nil, is called with each message, one after the other. It must not block for long.
	OnMessage func(Message)
	// HTTP makes the requests. Default: a client of its own for each connection, so that a balancer chooses anew.
	HTTP *http.Client
}

// Client is one connection to the hub. Its methods may be called by many at once.
type Client struct {
	socket    *websocket.Conn
	onMessage func(Message)
	stop      context.CancelFunc // ends both loops
	loops     sync.WaitGroup
	done      chan struct{} // closed when the connection has ended

	mu    sync.Mutex // guards what follows
	next  int        // number of the next call
	calls map[string]chan error
	err   error // why the connection ended
}

// Dial connects to the hub at url, such as http://localhost:5000/chatHub. ctx bounds connecting alone: end the client
// with Close.
func Dial(ctx context.Context, url string, options Options) (*Client, error) {
	requests := options.HTTP
	if requests == nil {
		requests = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	}
	token, err := negotiate(ctx, requests, url)
	if err != nil {
		return nil, err
	}
	address, err := socketAddress(url, token)
	if err != nil {
		return nil, err
	}
	socket, response, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: requests})
	if response != nil && response.Body != nil {
		_ = response.Body.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("opening a WebSocket to %s: %w", url, err)
	}
	socket.SetReadLimit(maximumMessage)
	rest, err := shakeHands(ctx, socket)
	if err != nil {
		_ = socket.CloseNow()
		return nil, fmt.Errorf("handshake with %s: %w", url, err)
	}
	loops, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &Client{
		socket: socket, onMessage: options.OnMessage, stop: stop,
		done: make(chan struct{}), calls: map[string]chan error{},
	}
	c.loops.Go(func() { c.read(loops, rest) })
	c.loops.Go(func() { c.ping(loops) })
	return c, nil
}

// Send says text to all and returns when the server has passed it on.
func (c *Client) Send(ctx context.Context, user, text string) error {
	id, completed, err := c.enter()
	if err != nil {
		return err
	}
	defer c.leave(id)
	call := invocation{Type: typeInvocation, InvocationID: id, Target: "SendMessage", Arguments: []string{user, text}}
	if err := c.write(ctx, call); err != nil {
		return fmt.Errorf("calling SendMessage: %w", err)
	}
	select {
	case err := <-completed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for SendMessage to complete: %w", ctx.Err())
	}
}

// Done is closed when the connection has ended; Err then tells why.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the connection ended, or nil while it lasts. After Close it is ErrClosed.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection and returns when nothing of it runs any more. It may be called more than once, but not
// from OnMessage.
func (c *Client) Close() {
	c.end(ErrClosed)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.socket.Close(websocket.StatusNormalClosure, "")
	}()
	select {
	case <-ended:
	case <-time.After(closeTimeout):
	}
	c.stop()
	_ = c.socket.CloseNow()
	<-ended
	c.loops.Wait()
}

// enter registers a call that is about to be made.
func (c *Client) enter() (id string, completed chan error, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return "", nil, fmt.Errorf("calling SendMessage: %w", c.err)
	}
	c.next++
	id = strconv.Itoa(c.next)
	completed = make(chan error, 1)
	c.calls[id] = completed
	return id, completed, nil
}

func (c *Client) leave(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, id)
}

// complete answers the call with that id, if anybody still waits for it.
func (c *Client) complete(id string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if completed := c.calls[id]; completed != nil {
		completed <- err
		delete(c.calls, id)
	}
}

// end notes why the connection is over and tells the calls that wait. Only the first reason counts.
func (c *Client) end(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = reason
	for id, completed := range c.calls {
		completed <- fmt.Errorf("the connection ended before the call was answered: %w", reason)
		delete(c.calls, id)
	}
	close(c.done)
}

// read handles what the server sends, rest of the handshake's message first, until the connection ends.
func (c *Client) read(ctx context.Context, rest []byte) {
	defer c.stop()
	data := rest
	for {
		if err := c.records(data); err != nil {
			c.end(err)
			_ = c.socket.Close(websocket.StatusNormalClosure, "") // the server waits for it
			return
		}
		var err error
		if data, err = c.receive(ctx); err != nil {
			c.end(fmt.Errorf("lost the server: %w", err))
			return
		}
	}
}

func (c *Client) receive(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	_, data, err := c.socket.Read(ctx)
	return data, err
}

// records handles the hub messages in one WebSocket message, which the server never splits.
func (c *Client) records(data []byte) error {
	for record := range bytes.SplitSeq(bytes.TrimSuffix(data, recordEnd), recordEnd) {
		if len(record) == 0 {
			continue
		}
		if err := c.record(record); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) record(record []byte) error {
	var m received
	if err := json.Unmarshal(record, &m); err != nil {
		return fmt.Errorf("reading a hub message: %w", err)
	}
	switch m.Type {
	case typeInvocation:
		if message, ok := m.chat(); ok && c.onMessage != nil {
			c.onMessage(message)
		}
	case typeCompletion:
		var err error
		if m.Error != "" {
			err = errors.New(m.Error)
		}
		c.complete(m.InvocationID, err)
	case typeClose:
		return &CloseError{Reason: m.Error, AllowReconnect: m.AllowReconnect}
	}
	return nil
}

// ping tells the server now and then that the client lives.
func (c *Client) ping(ctx context.Context) {
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = c.write(ctx, struct {
				Type int `json:"type"`
			}{typePing}) // a failure shows in read
		}
	}
}

func (c *Client) write(ctx context.Context, message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encoding a hub message: %w", err)
	}
	return c.socket.Write(ctx, websocket.MessageText, append(data, recordEnd...))
}
