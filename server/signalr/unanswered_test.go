package signalr_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// Count is a stream that ends with its connection.
func (g *gate) Count(ctx *signalr.Context) iter.Seq[int] {
	return func(yield func(int) bool) {
		yield(1)
		<-ctx.Done()
	}
}

const shuttingDown = `"error":"The server is shutting down."}`

func TestCallsThatOutlastTheServerFailBeforeTheClose(t *testing.T) {
	hub := newGate()
	bound := make(chan string, 4)
	options := signalr.HubOptions{Authorize: func(_ *signalr.Context, method string) bool { bound <- method; return true }}
	server, _, address := startServer(t, hub, options, signalr.EndpointOptions{})
	c := connect(t, address)
	c.send(`{"type":4,"invocationId":"s","target":"Count","arguments":[]}`)
	c.expect(`{"type":2,"invocationId":"s","item":1}`)
	c.send(`{"type":1,"invocationId":"1","target":"Wait","arguments":[]}`,
		`{"type":1,"invocationId":"2","target":"Wait","arguments":[]}`, // it waits for its turn
		`{"type":1,"target":"Say","arguments":["nobody waits for the end of this"]}`)
	<-hub.entered
	for range 3 {
		<-bound
	}
	if told := server.Dismiss(1, true); told != 1 {
		t.Fatalf("%d told", told)
	}
	c.expect(`{"type":3,"invocationId":"s",`+shuttingDown, `{"type":3,"invocationId":"1",`+shuttingDown,
		`{"type":3,"invocationId":"2",`+shuttingDown, `{"type":7,"allowReconnect":true}`)
	close(hub.open)
	c.expectClose(1000) // and no second answer
	must(t, server.Shutdown(t.Context()))
}

// What came first is answered first, if that does not take long.
func TestAFaultOfTheClientWaitsForTheCallBefore(t *testing.T) {
	const fault = `{"type":1,"target":"Wait"}` // arguments are missing
	for name, ends := range map[string]bool{"that ends": true, "that does not": false} {
		t.Run(name, func(t *testing.T) {
			hub := newGate()
			_, address := startHub(t, hub, signalr.HubOptions{}, signalr.EndpointOptions{})
			t.Cleanup(func() { close(hub.open) })
			c := connect(t, address)
			c.send(`{"type":1,"invocationId":"1","target":"Wait","arguments":[]}`, fault)
			<-hub.entered
			if ends {
				time.Sleep(20 * time.Millisecond) // the work of the call: time enough to read on
				hub.open <- struct{}{}
				c.expect(`{"type":3,"invocationId":"1","result":null}`)
			}
			c.expect(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
		})
	}
}

// Who ends a connection for another reason leaves it to the client to make errors of its calls.
func TestCallsFailByTheServerOnlyWhenItEnds(t *testing.T) {
	hub := newGate()
	_, address := startHub(t, hub, signalr.HubOptions{}, signalr.EndpointOptions{})
	c := connect(t, address)
	c.send(`{"type":1,"invocationId":"1","target":"Wait","arguments":[]}`)
	<-hub.entered
	c.send(`{"type":7}`)
	c.expect(`{"type":7}`)
	close(hub.open)
	c.expectClose(1000)
}

// slowTombstones lets no tombstone be written until the test says so.
type slowTombstones struct {
	cluster.Directory
	slow    *atomic.Bool
	release chan struct{}
}

func (d slowTombstones) Swap(ctx context.Context, changes ...cluster.Change) []cluster.Result {
	if d.slow.Load() && changes[0].To.Ended {
		select {
		case <-d.release:
		case <-ctx.Done():
		}
	}
	return d.Directory.Swap(ctx, changes...)
}

// A connection that is known to other servers ends in two steps: what happens between them must not get out.
func TestASharedConnectionSaysItsLastWordsOnce(t *testing.T) {
	directory := slowTombstones{slow: &atomic.Bool{}, release: make(chan struct{})}
	n := startNode(t, nodeOptions{redis: redistest.Start(t), mode: "pubsub", directory: func(d cluster.Directory) cluster.Directory {
		directory.Directory = d
		return directory
	}})
	c := dial(t, n.address()+"?id="+negotiate(t, n.address()).ConnectionToken)
	c.send(`{"protocol":"json","version":2}`)
	c.expect(`{}`)
	c.send(`{"type":4,"invocationId":"s","target":"Stream","arguments":[]}`)
	c.expect(`{"type":2,"invocationId":"s","item":1}`)
	directory.slow.Store(true)
	eventually(t, "told", func() bool { return n.server.Dismiss(1, true) == 1 })
	close(n.calls.release) // the stream ends as if it were complete
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		n.close()
	}()
	c.expect(`{"type":3,"invocationId":"s",`+shuttingDown, `{"type":7,"allowReconnect":true}`)
	close(directory.release)
	c.expectClose(1000)
	<-closed
}
