package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// polled is a server with one connection by long polling, whose requests the test makes itself.
type polled struct {
	t          *testing.T
	manager    *Manager
	endpoint   *Endpoint
	connection *Connection
}

// undecidedPeers are peers of a connection that is being given away: who asks whose it is waits until the test says so.
type undecidedPeers struct {
	oneOwner
	decided chan struct{}
	// kept and err are the outcome.
	kept bool
	err  error
}

func (p *undecidedPeers) Locate(_ context.Context, _ string, claim bool) (string, bool, error) {
	return "", claim, nil
}

func (p *undecidedPeers) Await(context.Context, string) (bool, error) {
	<-p.decided
	return p.kept, p.err
}

func (p *undecidedPeers) Reclaim(context.Context, string) (bool, error) { return p.kept, p.err }

func startPolled(t *testing.T, peers Peers) *polled {
	t.Helper()
	manager := NewManager(ManagerOptions{Tokens: freshToken{}, Peers: peers})
	p := &polled{t: t, manager: manager, endpoint: manager.NewEndpoint("echo", &echo{ended: make(chan error, 10)}, EndpointOptions{})}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		manager.Shutdown(ctx)
	})
	if answer := p.request(t.Context(), http.MethodGet, nil); answer.Code != http.StatusOK {
		t.Fatalf("the first poll is answered with %d", answer.Code)
	}
	p.connection, _ = manager.known("c")
	p.connection.outbox.uncork(NewPayload([]byte("hello"), true))
	if answer := p.request(t.Context(), http.MethodGet, nil); answer.Body.String() != "hello" {
		t.Fatalf("the second poll is answered with %q", answer.Body)
	}
	return p
}

func (p *polled) request(ctx context.Context, method string, body io.Reader) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	p.endpoint.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, method, "/hub?id=c", body))
	return recorder
}

// start makes a request that waits.
func (p *polled) start(method string, body io.Reader) <-chan *httptest.ResponseRecorder {
	answered := make(chan *httptest.ResponseRecorder, 1)
	go func() { answered <- p.request(p.t.Context(), method, body) }()
	return answered
}

// heldAnswer is an answer that is not given before the test goes on.
type heldAnswer struct {
	*httptest.ResponseRecorder
	goOn <-chan struct{}
}

func (h heldAnswer) WriteHeader(status int) {
	<-h.goOn
	h.ResponseRecorder.WriteHeader(status)
}

func TestAClientByLongPollingIsSentAwayWithoutAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPolled(t, nil)
		answer, goOn, answered := httptest.NewRecorder(), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(answered)
			p.endpoint.ServeHTTP(heldAnswer{answer, goOn}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/hub?id=c", nil))
		}()
		synctest.Wait()
		if !p.connection.SendAway() || p.connection.SendAway() {
			t.Error("a poll is to be ended once")
		}
		close(goOn)
		<-answered
		if answer.Code != http.StatusOK || answer.Body.Len() > 0 || answer.Header().Get("Connection") != "close" {
			t.Errorf("the poll is answered with %d %q %v", answer.Code, answer.Body, answer.Header())
		}
		if !p.connection.SendAway() {
			t.Error("a client that does not poll is away, and was not let go")
		}
		_ = p.connection.Send(NewPayload([]byte("meanwhile"), true))
		if answer := p.request(t.Context(), http.MethodGet, nil); answer.Body.String() != "meanwhile" {
			t.Errorf("the next poll is answered with %q", answer.Body)
		}
	})
}

// What the client is sending when its connection shall go is received first; what it sends then waits, and is refused or received.
func TestPostsAndAMoveTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peers := &undecidedPeers{decided: make(chan struct{}), kept: true}
		p := startPolled(t, peers)
		body, sender := io.Pipe()
		first := p.start(http.MethodPost, body)
		synctest.Wait()
		if err := p.connection.BeginGiving(); err != nil {
			t.Fatal(err)
		}
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.connection.AwaitPosts(limited); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a POST that is being received was not waited for: %v", err)
		}
		second, ended := p.start(http.MethodPost, strings.NewReader("second")), p.start(http.MethodDelete, nil)
		_, _ = sender.Write([]byte("first"))
		_ = sender.Close()
		if answer := <-first; answer.Code != http.StatusOK {
			t.Errorf("the first POST is answered with %d", answer.Code)
		}
		if err := p.connection.AwaitPosts(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(second)+len(ended) > 0 {
			t.Error("a request was answered while nobody knew whose the connection is")
		}
		p.connection.KeepGiven()
		close(peers.decided)
		if answer := <-second; answer.Code != http.StatusOK && answer.Code != http.StatusNotFound { // the DELETE may be first
			t.Errorf("the second POST is answered with %d", answer.Code)
		}
		if answer := <-ended; answer.Code != http.StatusAccepted {
			t.Errorf("the DELETE is answered with %d", answer.Code)
		}
	})
}

// A client by long polling ends with the first answer that is an error.
func TestAPollIsAskedForAgainWhileNobodyKnowsWhoseItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peers := &undecidedPeers{err: errors.New("nobody knows")}
		p := startPolled(t, peers)
		if err := p.connection.BeginGiving(); err != nil {
			t.Fatal(err)
		}
		if answer := p.request(t.Context(), http.MethodGet, nil); answer.Code != http.StatusOK || answer.Body.Len() > 0 {
			t.Errorf("the poll is answered with %d %q", answer.Code, answer.Body)
		}
	})
}

func TestARequestThatAPeerForwardsGoesBackWhenTheConnectionHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPolled(t, &undecidedPeers{})
		if err := p.connection.BeginGiving(); err != nil {
			t.Fatal(err)
		}
		p.connection.Given()
		recorder := httptest.NewRecorder()
		if p.manager.ServeForwarded(recorder, httptest.NewRequest(http.MethodPost, "/hub?id=c", strings.NewReader("x"))) || recorder.Body.Len() > 0 {
			t.Errorf("it was answered with %d %q", recorder.Code, recorder.Body)
		}
	})
}

func TestWhatAnOutboxWithoutNumbersExportsIsWhatIsNotWritten(t *testing.T) {
	o, s := newOutbox(false), &countingSink{}
	o.attach(s)
	_ = o.send(text("1"))
	drain(o, s)
	o.detach(s)
	_ = o.send(text("2"))
	o.sendControl(text("first"))
	state, ok := o.export()
	if !ok {
		t.Fatal("it exports nothing")
	}
	next := newOutbox(false)
	next.corked = true
	next.restore(state)
	_ = next.send(text("3"))
	next.attach(s)
	if got := drain(next, s); got != "first 2 3" {
		t.Errorf("the next outbox writes %q", got)
	}
	if len(next.messages) != 0 || next.waiting != 0 {
		t.Errorf("%d messages, %d bytes are left", len(next.messages), next.waiting)
	}
}

// A server to which clients come whose connections others own has to wait for their polls when it ends.
func TestAPollThroughAnotherServerIsAnsweredSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPolled(t, nil)
		for forwarded, want := range map[bool]time.Duration{true: forwardedPollTimeout, false: 90 * time.Second} {
			recorder, request := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/hub?id=c", nil)
			began := time.Now()
			if forwarded {
				p.manager.ServeForwarded(recorder, request)
			} else {
				p.endpoint.ServeHTTP(recorder, request)
			}
			if took := time.Since(began); took != want || recorder.Code != http.StatusOK || recorder.Body.Len() > 0 {
				t.Errorf("forwarded %v: %d %q after %v", forwarded, recorder.Code, recorder.Body, took)
			}
		}
	})
}

// doubtfulPeers do not know whether this server's connections are its own until the test says so.
type doubtfulPeers struct {
	undecidedPeers
	doubting atomic.Bool
}

func (p *doubtfulPeers) Doubt() <-chan struct{} {
	if p.doubting.Load() {
		return make(chan struct{})
	}
	return nil
}

func TestNoConnectionTimesOutWhileItMayBeLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peers := &doubtfulPeers{}
		p := startPolled(t, peers)
		peers.doubting.Store(true)
		time.Sleep(time.Minute)
		if p.manager.Connections() != 1 {
			t.Error("it has ended")
		}
		peers.doubting.Store(false)
		time.Sleep(2 * time.Second)
		if p.manager.Connections() != 0 {
			t.Error("it has not ended")
		}
	})
}
