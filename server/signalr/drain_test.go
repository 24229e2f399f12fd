package signalr_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr"
)

func TestDrainSendsClientsElsewhereOneAfterAnother(t *testing.T) {
	server, _, address := startServer(t, newGate(), signalr.HubOptions{}, signalr.EndpointOptions{})
	const clients, period = 20, 2 * time.Second
	var mu sync.Mutex
	var ends []time.Time
	var reading sync.WaitGroup
	for range clients {
		c := connect(t, address)
		reading.Go(func() {
			message, err := c.receive()
			if err != nil || message != `{"type":7,"allowReconnect":true}` {
				t.Errorf("received %q, %v", message, err)
			}
			mu.Lock()
			ends = append(ends, time.Now())
			mu.Unlock()
			_ = c.socket.CloseNow()
		})
	}
	began := time.Now()
	server.Drain(t.Context(), period)
	if took := time.Since(began); took < period*9/10 {
		t.Errorf("all were told after %v, not %v", took, period)
	}
	reading.Wait()
	// A machine that is busy makes ends late, but none early.
	for at, end := range ends {
		if after, earliest := end.Sub(began), period*time.Duration(at)/clients; after < earliest {
			t.Errorf("end %d came after %v, not before %v", at, after, earliest)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestDrainOfOneClientTakesNoTime(t *testing.T) {
	server, _, address := startServer(t, newGate(), signalr.HubOptions{}, signalr.EndpointOptions{})
	c := connect(t, address)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server.Drain(ctx, time.Hour)
	c.expect(`{"type":7,"allowReconnect":true}`)
	_ = c.socket.CloseNow()
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
