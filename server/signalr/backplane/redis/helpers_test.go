package redis

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// patience is how long a test waits for what must come. Only a failing test waits that long.
const patience = 15 * time.Second

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for what announces itself by no event.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	eventuallyWithin(t, patience, what, condition)
}

// eventuallyLong waits for as long as a fail-over takes on a busy machine.
func eventuallyLong(t testing.TB, what string, condition func() bool) {
	t.Helper()
	eventuallyWithin(t, longPatience, what, condition)
}

func eventuallyWithin(t testing.TB, patience time.Duration, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("did not happen within %s: %s", patience, what)
		}
	}
}

func receiveFrom[T any](t testing.TB, what string, values <-chan T) T {
	t.Helper()
	select {
	case value := <-values:
		return value
	case <-time.After(patience):
		t.Fatalf("did not come within %s: %s", patience, what)
		panic("unreachable")
	}
}

// delivery is one call of Deliver.
type delivery struct {
	target  backplane.Target
	message backplane.Message
}

func (d delivery) String() string {
	frames := make([]string, len(d.message.Encodings))
	for i, encoding := range d.message.Encodings {
		frames[i] = encoding.Protocol + " " + string(encoding.Frame)
	}
	return fmt.Sprintf("%d %q %v %q", d.target.Scope, d.target.Name, d.message.Excluded, frames)
}

// recorder is a hub that keeps what its backplane tells it.
type recorder struct {
	deliveries  chan delivery
	completions chan completion
	fences      chan fence
	// onGroup acts on group commands; nil: no connection is here.
	onGroup func(ctx context.Context, add bool, connectionID, group string) (bool, error)
	// onFence, if set, is called in the place of the fence.
	onFence func(mark string)
}

func newRecorder() *recorder {
	return &recorder{deliveries: make(chan delivery, 100_000), completions: make(chan completion, 1000), fences: make(chan fence, 1000)}
}

func (r *recorder) Deliver(target backplane.Target, message backplane.Message) {
	r.deliveries <- delivery{target, message}
}

func (r *recorder) AddToGroup(ctx context.Context, connectionID, group string) (bool, error) {
	if r.onGroup == nil {
		return false, nil
	}
	return r.onGroup(ctx, true, connectionID, group)
}

func (r *recorder) RemoveFromGroup(ctx context.Context, connectionID, group string) (bool, error) {
	if r.onGroup == nil {
		return false, nil
	}
	return r.onGroup(ctx, false, connectionID, group)
}

func (r *recorder) Complete(protocol string, frame []byte) {
	r.completions <- completion{protocol, frame}
}

// fence is one call of Fenced.
type fence struct {
	mark   string
	target backplane.Target
}

func (r *recorder) Fenced(mark string, target backplane.Target) {
	if r.onFence != nil {
		r.onFence(mark)
	}
	r.fences <- fence{mark, target}
}

func (r *recorder) expect(t testing.TB, target backplane.Target, text string) backplane.Message {
	t.Helper()
	got := receiveFrom(t, fmt.Sprintf("message %q", text), r.deliveries)
	if got.target != target || len(got.message.Encodings) == 0 || string(got.message.Encodings[0].Frame) != text {
		t.Fatalf("delivered %s, want %q for %v", got, text, target)
	}
	return got.message
}

func (r *recorder) expectNothing(t testing.TB) {
	t.Helper()
	select {
	case got := <-r.deliveries:
		t.Fatalf("delivered %s, want nothing", got)
	default:
	}
}

func textMessage(text string) backplane.Message {
	return backplane.Message{Encodings: []backplane.Encoding{{Protocol: "json", Frame: []byte(text)}}}
}

var toAll = backplane.Target{Scope: backplane.ScopeAll}

func toGroup(name string) backplane.Target {
	return backplane.Target{Scope: backplane.ScopeGroup, Name: name}
}

func toUser(name string) backplane.Target {
	return backplane.Target{Scope: backplane.ScopeUser, Name: name}
}

func toConnection(id string) backplane.Target {
	return backplane.Target{Scope: backplane.ScopeConnection, Name: id}
}

// startMini returns the address of a Redis that needs no installation.
func startMini(t testing.TB) string {
	t.Helper()
	return miniredis.RunT(t).Addr()
}

// startPlane connects to Redis; what change does to the options comes last.
func startPlane(t testing.TB, address string, change func(*Options)) *Backplane {
	t.Helper()
	options := Options{Redis: &goredis.Options{Addr: address}}
	if change != nil {
		change(&options)
	}
	plane := New(options)
	t.Cleanup(func() { _ = plane.Close() })
	return plane
}

// openHub opens the hub "Chat" and waits until it is subscribed.
func openHub(t testing.TB, plane *Backplane, receiver backplane.Receiver) backplane.Hub {
	t.Helper()
	opened, err := plane.Open("Chat", receiver)
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Subscribe(testContext(t)); err != nil {
		t.Fatal(err)
	}
	return opened
}

func publish(t testing.TB, hub backplane.Hub, target backplane.Target, text string) {
	t.Helper()
	if err := hub.Publish(testContext(t), target, textMessage(text)); err != nil {
		t.Fatal(err)
	}
}

// states collects the states of a Backplane.
type states struct{ changes chan State }

func (s *states) observe(options *Options) {
	s.changes = make(chan State, 1000)
	options.Observer.StateChanged = func(state State) { s.changes <- state }
}

func (s *states) expect(t testing.TB, connected bool) State {
	t.Helper()
	for {
		state := receiveFrom(t, fmt.Sprintf("connected=%t", connected), s.changes)
		if state.Connected == connected {
			return state
		}
	}
}

// logBuffer is a log that tests read.
type logBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(line)
}

func (b *logBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}

func (b *logBuffer) lines() int { return strings.Count(b.String(), "\n") }

func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
