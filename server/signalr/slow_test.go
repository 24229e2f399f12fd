package signalr_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// stall connects a client that completes the handshake and then never reads again.
func stall(t *testing.T, address string) { t.Helper(); upgrade(t, address) }

// upgrade opens a WebSocket by hand, completes the handshake and returns the bare connection.
func upgrade(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	request := "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	handshake := `{"protocol":"json","version":1}` + "\x1e"
	frame := append([]byte{0x81, 0x80 | byte(len(handshake)), 0, 0, 0, 0}, handshake...)
	if _, err := conn.Write(append([]byte(request), frame...)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReaderSize(conn, 16)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v %v", response, err)
	}
	if _, err := reader.ReadString(0x1e); err != nil {
		t.Fatalf("handshake: %v", err)
	}
	return conn
}

func TestAClientThatStopsReadingIsDroppedAndDelaysNobody(t *testing.T) {
	implementation := &testHub{gone: make(chan error, 2)}
	hub, address := startHub(t, implementation, signalr.HubOptions{}, signalr.EndpointOptions{TransportSendTimeout: time.Hour})
	stall(t, address)
	attentive := connect(t, address)
	text := strings.Repeat("x", 64*1024)
	for dropped := false; !dropped; {
		// Whoever waited for the client that does not read would wait for an hour.
		if err := hub.Clients().All().Send(t.Context(), "Receive", text); err != nil {
			t.Fatal(err)
		}
		attentive.expect(`{"type":1,"target":"Receive","arguments":["` + text + `"]}`)
		select {
		case cause := <-implementation.gone:
			if !errors.Is(cause, transport.ErrSlowClient) {
				t.Errorf("dropped with %v, want ErrSlowClient", cause)
			}
			dropped = true
		default:
		}
	}
}

func TestAWriteThatIsStuckEndsTheConnection(t *testing.T) {
	implementation := &testHub{gone: make(chan error, 1)}
	hub, address := startHub(t, implementation, signalr.HubOptions{}, signalr.EndpointOptions{
		TransportSendTimeout: 100 * time.Millisecond, OutboundBufferSize: 1 << 30,
	})
	stall(t, address)
	text := strings.Repeat("x", 1<<20)
	for range 16 { // more than the socket's buffers hold
		if err := hub.Clients().All().Send(t.Context(), "Receive", text); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case cause := <-implementation.gone:
		if !errors.Is(cause, transport.ErrSlowClient) {
			t.Errorf("ended with %v, want ErrSlowClient", cause)
		}
	case <-time.After(patience):
		t.Fatal("the connection is still there")
	}
}

// echoHub sends what a client streams back to it, item by item.
type echoHub struct{ testHub }

func (*echoHub) Echo(_ *signalr.Context, value string) string { return value }

func (*echoHub) Reflect(ctx *signalr.Context, items iter.Seq2[int, error]) error {
	for item, err := range items {
		if err != nil {
			return err
		}
		if err := ctx.Clients().Caller().Send(ctx, "Item", item); err != nil {
			return err
		}
	}
	return nil
}

// unacknowledged connects a client with stateful reconnect that owes an acknowledgement: until it sends that, nothing more is
// written to it.
func unacknowledged(t *testing.T, implementation any, options signalr.HubOptions) (hub *signalr.Hub, c *client) {
	t.Helper()
	hub, address := startHub(t, implementation, options, signalr.EndpointOptions{
		AllowStatefulReconnects: true, StatefulReconnectBufferSize: 1000,
	})
	c = dial(t, address+"?id="+negotiate(t, address).ConnectionToken)
	c.send(`{"protocol":"json","version":2}`)
	c.expect(`{}`)
	text := strings.Repeat("x", 2000)
	if err := hub.Clients().All().Send(t.Context(), "Receive", text); err != nil {
		t.Fatal(err)
	}
	c.expect(`{"type":1,"target":"Receive","arguments":["` + text + `"]}`)
	return hub, c
}

func TestAnAcknowledgementTakesEffectBehindWhatWaitsForIt(t *testing.T) {
	streamed := []string{`{"type":1,"invocationId":"1","target":"Reflect","arguments":[],"streamIds":["s"]}`}
	var reflected []string
	for item := range 50 { // more than a stream has room for
		streamed = append(streamed, fmt.Sprintf(`{"type":2,"invocationId":"s","item":%d}`, item))
		reflected = append(reflected, fmt.Sprintf(`{"type":1,"target":"Item","arguments":[%d]}`, item))
	}
	for what, test := range map[string]struct{ sent, answers []string }{
		// The answer to the first call waits for the acknowledgement, the second call for the first.
		"two calls": {
			sent: []string{
				`{"type":1,"invocationId":"1","target":"Echo","arguments":["one"]}`,
				`{"type":1,"invocationId":"2","target":"Echo","arguments":["two"]}`,
			},
			answers: []string{`{"type":3,"invocationId":"1","result":"one"}`, `{"type":3,"invocationId":"2","result":"two"}`},
		},
		"a call that is refused": {
			sent:    []string{`{"type":1,"invocationId":"1","target":"Echo","arguments":[]}`},
			answers: []string{`{"type":3,"invocationId":"1","error":"Failed to invoke 'Echo' due to an error on the server."}`},
		},
		"a stream whose items come back": {
			sent:    streamed,
			answers: reflected,
		},
	} {
		t.Run(what, func(t *testing.T) {
			_, c := unacknowledged(t, &echoHub{}, signalr.HubOptions{StreamBufferCapacity: 2})
			c.send(append(test.sent, `{"type":8,"sequenceId":1}`)...)
			for at, want := range test.answers {
				got, err := c.receive()
				for err == nil && strings.HasPrefix(got, `{"type":8,`) { // what the server acknowledges comes in between
					got, err = c.receive()
				}
				if err != nil || got != want {
					t.Fatalf("received %s, %v; want %s", got, err, want)
				}
				if at%10 == 9 {
					c.send(fmt.Sprintf(`{"type":8,"sequenceId":%d}`, at+2))
				}
			}
		})
	}
}

func TestAClientThatNeverAcknowledgesIsDroppedAlthoughItReadsAndPings(t *testing.T) {
	implementation := &testHub{gone: make(chan error, 1)}
	hub, c := unacknowledged(t, implementation, signalr.HubOptions{ClientTimeoutInterval: 3 * time.Second})
	if err := hub.Clients().All().Send(t.Context(), "Receive", "more"); err != nil {
		t.Fatal(err)
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(patience)
	for {
		select {
		case cause := <-implementation.gone:
			if !errors.Is(cause, transport.ErrSlowClient) {
				t.Errorf("dropped with %v, want ErrSlowClient", cause)
			}
			return
		case <-ticker.C:
			_ = c.trySend(`{"type":6}`) // the server may be closing it just now
		case <-timeout:
			t.Fatal("the connection is still there")
		}
	}
}

// TestAClientThatResetsWhileItsAnswersWaitIsGone has a client flood the server with calls until that reads no more, because the answers
// are not read. Nobody reads from the socket then, and only who writes learns that it has gone.
func TestAClientThatResetsWhileItsAnswersWaitIsGone(t *testing.T) {
	implementation := &testHub{gone: make(chan error, 1)}
	_, address := startHub(t, implementation, signalr.HubOptions{}, signalr.EndpointOptions{TransportSendTimeout: time.Hour})
	conn := upgrade(t, address)
	call := `{"type":1,"invocationId":"1","target":"Echo","arguments":["` + strings.Repeat("x", 20_000) + `"]}` + "\x1e"
	frame := binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(call)))
	frame = append(append(frame, 0, 0, 0, 0), call...)
	for err := error(nil); err == nil; {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, err = conn.Write(frame)
	}
	if err := errors.Join(conn.(*net.TCPConn).SetLinger(0), conn.Close()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-implementation.gone:
	case <-time.After(patience):
		t.Fatal("the connection is still there")
	}
}

func TestOfSeveralClientsTheFastOnesDoNotWaitForTheSlowOnes(t *testing.T) {
	implementation := &locked{ids: make(chan string, 1)}
	hub, address := startHub(t, implementation, signalr.HubOptions{}, signalr.EndpointOptions{
		AllowStatefulReconnects: true, StatefulReconnectBufferSize: 1000,
	})
	slow := dial(t, address+"?id="+negotiate(t, address).ConnectionToken)
	slow.send(`{"protocol":"json","version":2}`)
	slow.expect(`{}`)
	slowID := <-implementation.ids
	fast := connect(t, address)
	both := hub.Clients().Clients(slowID, <-implementation.ids)

	text := strings.Repeat("x", 2000) // until it is acknowledged the slow client gets no more
	if err := hub.Clients().Client(slowID).Send(t.Context(), "Receive", text); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() { sent <- both.Send(t.Context(), "Receive", "a") }()
	fast.expect(`{"type":1,"target":"Receive","arguments":["a"]}`)
	select {
	case err := <-sent:
		t.Errorf("Send returned %v before the slow client had room", err)
	default:
	}
	slow.expect(`{"type":1,"target":"Receive","arguments":["` + text + `"]}`)
	slow.send(`{"type":8,"sequenceId":1}`)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if err := both.Send(t.Context(), "Receive", "b"); err != nil {
		t.Fatal(err)
	}
	slow.expect(`{"type":1,"target":"Receive","arguments":["a"]}`, `{"type":1,"target":"Receive","arguments":["b"]}`)
	fast.expect(`{"type":1,"target":"Receive","arguments":["b"]}`)
}
