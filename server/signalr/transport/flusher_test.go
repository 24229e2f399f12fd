package transport

import "testing"

func TestFlusherWakesMoreWorkersForManySocketsOnly(t *testing.T) {
	f := newFlusher(2)
	add := func(count int) {
		for range count {
			f.add(&webSocket{})
		}
	}
	for _, step := range []struct{ sockets, woken int }{{1, 1}, {share - 1, 1}, {1, 2}, {10 * share, 2}} {
		if add(step.sockets); len(f.signal) != step.woken {
			t.Errorf("%d workers woken by %d sockets, want %d", len(f.signal), len(f.ready), step.woken)
		}
	}
	var sockets []*webSocket
	for range 11 {
		if sockets = f.take(sockets); len(sockets) != share {
			t.Fatalf("a pass over %d sockets while many are ready, want %d", len(sockets), share)
		}
	}
	if sockets = f.take(sockets); len(sockets) != 1 {
		t.Fatalf("a pass over %d sockets, want the last one", len(sockets))
	}
	for left := 1; left >= 0; left-- {
		if sockets = f.take(sockets); len(sockets) != 0 || f.active != left {
			t.Fatalf("%d sockets, %d workers active; want none and %d", len(sockets), f.active, left)
		}
	}
	<-f.signal
	<-f.signal
	if add(1); len(f.signal) != 1 {
		t.Error("nobody was woken after all workers had come to rest")
	}
}

func TestFlusherKeepsTheOrderOfSockets(t *testing.T) {
	f := newFlusher(1)
	var added []*webSocket
	for range share + 10 {
		socket := &webSocket{}
		added = append(added, socket)
		f.add(socket)
	}
	var taken []*webSocket
	for list := f.take(nil); len(list) > 0; list = f.take(nil) {
		taken = append(taken, list...)
		if len(added) < share+20 {
			socket := &webSocket{}
			added = append(added, socket)
			f.add(socket)
		}
	}
	if len(taken) != len(added) {
		t.Fatalf("%d sockets taken of %d", len(taken), len(added))
	}
	for i := range taken {
		if taken[i] != added[i] {
			t.Fatalf("socket %d was taken out of turn: it could wait for ever", i)
		}
	}
}
