package signalr

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// silentBackplane confirms every subscription.
type silentBackplane struct{ backplane.Hub }

func (silentBackplane) Subscribe(context.Context, ...backplane.Target) error { return nil }
func (silentBackplane) Unsubscribe(...backplane.Target)                      {}

// Chat rooms come and go: what the index held for them must go with them.
func TestIndexKeepsNothingOfGroupsThatAreGone(t *testing.T) {
	const count, limit = 20_000, 400 // bytes for a group of one
	x, c := newIndex(), &connection{transport: new(transport.Connection)}
	x.backplane, x.connections[c.id()] = silentBackplane{}, c
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("room %d", i)
	}
	heap := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	before := heap()
	for _, name := range names {
		if local, err := x.join(t.Context(), c, name); !local || err != nil {
			t.Fatal(local, err)
		}
	}
	if each := (heap() - before) / count; each > limit {
		t.Errorf("a group takes %d bytes, want at most %d", each, limit)
	} else {
		t.Logf("%d bytes per group of one", each)
	}
	for _, name := range names {
		if err := x.part(t.Context(), c, name); err != nil {
			t.Fatal(err)
		}
	}
	if left := heap() - before; left > 10*count {
		t.Errorf("%d bytes are left of %d groups", left, count)
	}
	runtime.KeepAlive(x)
}
