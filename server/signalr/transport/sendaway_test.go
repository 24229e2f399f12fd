package transport

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// startStateful serves echo to clients with stateful reconnect and returns the connection of the first.
func startStateful(t *testing.T, secure bool) (*Manager, *Connection, *httptest.Server, *wire) {
	t.Helper()
	manager := NewManager(ManagerOptions{Tokens: freshToken{}})
	endpoint := manager.NewEndpoint("echo", &echo{ended: make(chan error, 10)}, EndpointOptions{AllowStatefulReconnects: true, OutboundBufferSize: 64 << 20})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = "id=c"
		endpoint.ServeHTTP(w, r)
	}))
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		manager.Shutdown(ctx)
		server.Close()
	})
	client := dial(t, server)
	client.send(t, masked(0x82, "hello"))
	client.expect(t, "hello")
	connection, _ := manager.known("c")
	return manager, connection, server, client
}

// freshToken is a Tokens that lets every token in as that of a new connection with stateful reconnect.
type freshToken struct{ everyToken }

func (freshToken) Verify(_, token string, now time.Time) (Claims, bool) {
	return Claims{ConnectionID: token, IssuedAt: now, Version: 1, Stateful: true}, true
}

func TestAClientIsSentAwayWithoutACloseFrameAndComesBack(t *testing.T) {
	for _, secure := range []bool{false, true} {
		manager, connection, server, client := startStateful(t, secure)
		if !connection.SendAway() {
			t.Fatal("there is no socket to end")
		}
		client.expectEnd(t)
		if connection.SendAway() {
			t.Error("what has been ended was ended again")
		}
		if attached, _ := connection.Attached(); attached {
			t.Error("the client can see the end before the connection waits for it")
		}
		_ = connection.Send(NewPayload([]byte("meanwhile"), true))
		_ = client.Close()
		again := dial(t, server)
		if _, payload := again.receive(t); !strings.HasPrefix(payload, "from 1") || !strings.HasSuffix(payload, "meanwhile") {
			t.Errorf("the client got %q", payload)
		}
		if manager.Connections() != 1 {
			t.Errorf("%d connections", manager.Connections())
		}
	}
}

// A client of which a message was cut takes its beginning for that of the next socket's first one.
func TestASocketEndsBehindTheMessageThatIsWritten(t *testing.T) {
	_, connection, _, client := startStateful(t, false)
	const size = 8 << 20 // more than the network takes while nobody reads
	_ = connection.Send(NewPayload(make([]byte, size), true))
	header := make([]byte, 10)
	if _, err := io.ReadFull(client.reader, header); err != nil || header[0] != 0x82 || header[1] != 127 {
		t.Fatalf("the frame begins with %x, %v", header, err)
	}
	if !connection.SendAway() {
		t.Fatal("there is no socket to end")
	}
	_ = connection.Send(NewPayload([]byte("for the next socket"), true))
	if n, err := io.ReadFull(client.reader, make([]byte, size)); err != nil {
		t.Fatalf("after %d of %d bytes: %v", n, size, err)
	}
	client.expectEnd(t)
}

func TestWhatAnOutboxExportsIsWhatIsNotConfirmed(t *testing.T) {
	o, s := newOutbox(true), &countingSink{}
	o.attach(s)
	for _, message := range []string{"1", "2", "3"} {
		_ = o.send(text(message))
	}
	drain(o, s)
	o.detach(s)
	o.rewind(func(int64) []*Payload { return nil }) // all of them wait to be written again
	o.acknowledge(1)
	state, ok := o.export()
	if !ok || state.Acknowledged != 1 || len(state.Messages) != 2 {
		t.Fatalf("%+v, %v", state, ok)
	}
	next := newOutbox(true)
	next.corked = true
	next.restore(state)
	_ = next.send(text("4"))
	next.rewind(func(number int64) []*Payload { return []*Payload{text("from " + string('0'+byte(number)))} })
	next.attach(s)
	if got := drain(next, s); got != "from 2 2 3 4" {
		t.Errorf("the next outbox writes %q", got)
	}
	next.acknowledge(4)
	if next.kept != 0 || next.acknowledged != 4 {
		t.Errorf("%d bytes are kept, acknowledged up to %d", next.kept, next.acknowledged)
	}
}

func TestADivertedOutboxTakesDeliveriesOnly(t *testing.T) {
	o := newOutbox(true)
	_ = o.send(text(strings.Repeat("x", 200)))
	waiting := make(chan error, 1)
	go func() { waiting <- o.sendWhenRoom(t.Context(), text("direct")) }()
	o.divert(true)
	if err := <-waiting; err != ErrDiverted { //nolint:errorlint // it is returned as it is
		t.Errorf("who waits gets %v", err)
	}
	if err := o.send(text("delivered")); err != nil {
		t.Error(err)
	}
	if len(o.messages) != 2 {
		t.Errorf("%d messages", len(o.messages))
	}
}
