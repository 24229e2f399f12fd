// Package redis runs a Redis without persistence for a benchmark.
package redis

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/process"
)

const (
	startTimeout = 10 * time.Second
	startPause   = 10 * time.Millisecond
)

// Server is a running Redis. Stop must be called once.
type Server struct {
	*process.Process
	// Address is where it listens: HOST:PORT.
	Address string
	// Version is the number that the program says it has.
	Version string
}

// Start runs program on a free port.
func Start(ctx context.Context, program string) (*Server, error) {
	port, err := process.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	return StartAt(ctx, program, port)
}

// StartAt runs program on that port of 127.0.0.1, and returns when it answers.
func StartAt(ctx context.Context, program, port string) (*Server, error) {
	version, err := exec.CommandContext(ctx, program, "--version").Output() // #nosec G204 -- the user names it
	if err != nil {
		return nil, fmt.Errorf("redis: cannot run %s (install redis-server or name it with --redis-server): %w", program, err)
	}
	running, err := process.Start(process.Spec{Command: []string{
		program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
	}})
	if err != nil {
		return nil, err
	}
	s := &Server{Process: running, Address: "127.0.0.1:" + port, Version: versionOf(string(version))}
	if err := s.await(ctx); err != nil {
		running.Stop()
		return nil, fmt.Errorf("redis: %w", err)
	}
	return s, nil
}

// await pings until Redis answers.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(startPause)
	defer ticker.Stop()
	for !answersPing(ctx, s.Address) {
		if err := s.Failure(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer at %s: %w", s.Address, context.Cause(ctx))
		case <-ticker.C:
		}
	}
	return nil
}

func answersPing(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, len("+PONG"))
	n, err := conn.Read(answer)
	return err == nil && string(answer[:n]) == "+PONG"
}

// versionOf finds the number in "Redis server v=7.0.15 sha=...".
func versionOf(text string) string {
	for word := range strings.FieldsSeq(text) {
		if version, found := strings.CutPrefix(word, "v="); found {
			return version
		}
	}
	return strconv.Quote(strings.TrimSpace(text))
}
