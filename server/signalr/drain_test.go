package signalr_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr"
)

func TestDismissedClientsAreInvitedToConnectAgain(t *testing.T) {
	server, _, address := startServer(t, newGate(), signalr.HubOptions{}, signalr.EndpointOptions{})
	const clients, first = 20, 7
	told := make(chan struct{}, clients)
	var reading sync.WaitGroup
	for range clients {
		c := connect(t, address)
		reading.Go(func() {
			message, err := c.receive()
			if err != nil || message != `{"type":7,"allowReconnect":true}` {
				t.Errorf("received %q, %v", message, err)
			}
			told <- struct{}{}
			_ = c.socket.CloseNow()
		})
	}
	if census := server.Census(); census.Stateless != clients {
		t.Fatalf("%+v", census)
	}
	if count := server.Dismiss(first, false); count != first {
		t.Errorf("%d dismissed, want %d", count, first)
	}
	for range first {
		<-told
	}
	if census := server.Census(); census.Stateless != clients-first {
		t.Errorf("%+v", census)
	}
	select {
	case <-told:
		t.Error("one more was dismissed")
	default:
	}
	if count := server.Dismiss(2*clients, false); count != clients-first {
		t.Errorf("%d dismissed, want the other %d", count, clients-first)
	}
	reading.Wait()
	if count := server.Dismiss(1, false); count != 0 {
		t.Errorf("%d dismissed, nobody is left", count)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// Clients that do not answer the close frame are waited for together, not one after another.
func TestShutdownWaitsForSilentClientsOnce(t *testing.T) {
	const wait = 500 * time.Millisecond
	server, _, address := startServer(t, newGate(), signalr.HubOptions{}, signalr.EndpointOptions{CloseTimeout: wait})
	const clients = 50
	for range clients {
		connect(t, address) // and reads nothing from now on
	}
	began := time.Now()
	if err := server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < wait || took > clients*wait/2 {
		t.Errorf("the shutdown took %v, want %v and little more", took, wait)
	}
}
