package redis

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// blockedLog is a log whose reader has stopped.
type blockedLog struct {
	entered chan struct{}
	release chan struct{}
}

func (b *blockedLog) Write(line []byte) (int, error) {
	b.entered <- struct{}{}
	<-b.release
	return len(line), nil
}

// Who asks how things stand, a health check or a call, must not wait for a log that is stuck.
func TestStateIsKnownWhileTheLogIsStuck(t *testing.T) {
	log := &blockedLog{entered: make(chan struct{}), release: make(chan struct{})}
	options := Options{Logger: slog.New(slog.NewTextHandler(log, nil))}.withDefaults()
	status := newStatus(options, "redis:6379")
	leg := status.leg(publishing)
	done := make(chan struct{})
	go func() {
		defer close(done)
		leg.rise()
	}()
	receiveFrom(t, "a log line", log.entered)
	asked := make(chan State, 1)
	go func() { asked <- status.snapshot() }()
	if state := receiveFrom(t, "the state", asked); !state.Connected {
		t.Errorf("state %+v", state)
	}
	close(log.release)
	<-done
}

func TestRefusalsAreToldOnce(t *testing.T) {
	var log logBuffer
	status := newStatus(Options{Logger: log.logger()}.withDefaults(), "redis:6379")
	leg := status.leg(publishing)
	leg.rise()
	before := log.lines()
	for range 3 {
		status.answered(errors.New("OOM"))
	}
	if err := status.snapshot().Refusal; err == nil || err.Error() != "OOM" {
		t.Errorf("refusal %v", err)
	}
	status.answered(nil)
	status.answered(nil)
	if err := status.snapshot().Refusal; err != nil {
		t.Errorf("refusal %v", err)
	}
	if log.lines() != before+2 || !strings.Contains(log.String(), "takes messages again") {
		t.Error(log.String())
	}
	status.answered(errors.New("OOM"))
	leg.rise()
	if err := status.snapshot().Refusal; err != nil {
		t.Errorf("a new connection was refused by the former one's Redis: %v", err)
	}
}
