// Package stateful is a client of the chat hub with stateful reconnect, as frugal as a crowd of them has to be. It does
// what Microsoft's clients do: it keeps what the server has not acknowledged, opens its connection anew as soon as a
// socket ends without a close frame, begins with Sequence and sends again. Like .NET's it takes a close frame, or an
// attempt to open that fails, for the end of its session; then it begins a new one.
package stateful

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/protocol"
)

const (
	// retryPause is the time between attempts to begin a session, after a first one that is made at once.
	retryPause = 500 * time.Millisecond
	// reopenPause is the least time between two sockets of one session, so that a server that accepts and ends them
	// meets a client and no storm.
	reopenPause = 5 * time.Millisecond
)

// ErrAway is the error of a call that is not made because the client has no session.
var ErrAway = errors.New("not connected")

// Observer is told what happens to a client. It must not block for long; several clients may call it at once.
type Observer interface {
	// Joined says that a session began.
	Joined()
	// Left says that the session ended without the client's wish, and why: an application would have seen a close.
	Left(reason error)
	// Opened says that a socket was opened, with the headers of the answer.
	Opened(header http.Header)
	// SocketEnded says that a socket ended that the session may outlive.
	SocketEnded()
	// Heard gets the message and the server of a ReceiveMessage. Both are valid during the call only, and encoded as the
	// client's protocol has them.
	Heard(text, server protocol.Raw)
	// Answered says how a call ended that Say made.
	Answered(id int64, err error)
}

// Options are what a client needs to know. All must be set.
type Options struct {
	// URL is the hub: http://HOST:PORT/PATH.
	URL string
	// Protocol is the hub protocol.
	Protocol protocol.Protocol
	// User is the name under which it chats.
	User string
	// Observer is told what happens.
	Observer Observer
}

// Client is one client. Run must be called for anything to happen; Say may be called by many at once.
type Client struct {
	options Options
	target  target

	mu     sync.Mutex // guards what follows, and the order in which messages get their numbers and leave
	joined bool       // a session has begun and not ended
	socket *socket    // nil while there is none that messages may leave by
	outbox outbox
	inbox  inbox
	calls  map[int64]struct{} // calls without an answer
}

// New makes a client that Run connects.
func New(options Options) (*Client, error) {
	to, err := parseTarget(options.URL)
	if err != nil {
		return nil, err
	}
	return &Client{options: options, target: to}, nil
}

// Run keeps the client connected until ctx ends.
func (c *Client) Run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		began, err := c.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if began {
			failures = 0
			c.options.Observer.Left(err)
			continue
		}
		if failures++; failures > 1 {
			pause(ctx, retryPause)
		}
	}
}

// session negotiates a connection and serves it until it is lost. began tells whether the server accepted it.
func (c *Client) session(ctx context.Context) (began bool, err error) {
	token, err := c.target.negotiate(ctx)
	if err != nil {
		return false, err
	}
	s, err := c.begin(ctx, token)
	if err != nil {
		return false, err
	}
	c.options.Observer.Joined()
	for {
		err = s.serve(ctx)
		c.park(s)
		if ctx.Err() != nil || !resumable(err) {
			break
		}
		c.options.Observer.SocketEnded()
		pause(ctx, reopenPause-time.Since(s.opened))
		if s, err = c.reopen(ctx, token); err != nil {
			err = fmt.Errorf("reconnecting: %w", err)
			break
		}
	}
	c.end(err)
	return true, err
}

// begin opens the first socket of a session and shakes hands.
func (c *Client) begin(ctx context.Context, token string) (*socket, error) {
	s, err := c.dial(ctx, token)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	// Before the handshake: what the server says may come together with its answer, and counts.
	c.outbox, c.inbox, c.calls = outbox{}, inbox{}, map[int64]struct{}{}
	c.mu.Unlock()
	if err := s.shakeHands(ctx); err != nil {
		s.close()
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined, c.socket = true, s
	return s, nil
}

// reopen opens another socket and sends what the server has not acknowledged.
func (c *Client) reopen(ctx context.Context, token string) (*socket, error) {
	s, err := c.dial(ctx, token)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	sequence, err := c.options.Protocol.Append(nil, &protocol.Sequence{SequenceID: c.outbox.first()})
	if err != nil {
		s.close()
		return nil, fmt.Errorf("encode Sequence: %w", err)
	}
	s.send(sequence)
	for _, message := range c.outbox.kept {
		s.send(message)
	}
	c.inbox.resume()
	c.socket = s
	return s, nil
}

// park notes that messages have to wait for the next socket.
func (c *Client) park(s *socket) {
	c.mu.Lock()
	c.socket = nil
	c.mu.Unlock()
	s.close()
}

// end fails the calls that the session has not answered.
func (c *Client) end(reason error) {
	c.mu.Lock()
	calls := c.calls
	c.joined, c.calls = false, nil
	c.mu.Unlock()
	for id := range calls {
		c.options.Observer.Answered(id, fmt.Errorf("the session ended before the call was answered: %w", reason))
	}
}

// Say calls SendMessage; the observer is told how that ends. While a socket is missing, the call waits for the next one;
// without a session it is not made.
func (c *Client) Say(id int64, text string) error {
	message, err := c.options.Protocol.Append(nil, &protocol.Invocation{
		ID: strconv.FormatInt(id, 10), Target: "SendMessage", Arguments: []any{c.options.User, text},
	})
	if err != nil {
		return fmt.Errorf("encode a call: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.joined {
		return ErrAway
	}
	if err := c.outbox.add(message); err != nil {
		return err
	}
	c.calls[id] = struct{}{}
	if c.socket != nil {
		c.socket.send(message)
	}
	return nil
}

// pause waits; ctx cuts it short.
func pause(ctx context.Context, duration time.Duration) {
	if duration <= 0 {
		return
	}
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
