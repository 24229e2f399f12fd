//go:build unix

package transport

import (
	"errors"
	"fmt"
	"io"
	"syscall"
)

// newSource returns what reads from the client.
func (s *webSocket) newSource() byteSource {
	if s.raw == nil {
		return &bufferedSource{conn: s.net}
	}
	source := &readySource{raw: s.raw}
	source.attempt = source.read
	return source
}

// readySource takes a buffer only once there is something to read.
type readySource struct {
	raw syscall.RawConn
	// attempt is the callback for RawConn.Read. It is made once, and its results are kept here, so that a read
	// allocates nothing.
	attempt func(descriptor uintptr) bool
	chunk   *[4096]byte
	filled  int
	err     error
}

// wait implements byteSource.
func (r *readySource) wait() (*[4096]byte, int, error) {
	err := r.raw.Read(r.attempt)
	chunk, filled := r.chunk, r.filled
	r.chunk = nil
	switch {
	case err == nil && r.err == nil && filled > 0:
		return chunk, filled, nil
	case chunk != nil:
		chunks.Put(chunk)
	}
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("wait for the client: %w", err)
	case r.err != nil:
		return nil, 0, fmt.Errorf("read from the client: %w", r.err)
	default:
		return nil, 0, io.EOF
	}
}

// read reports whether the waiting is over.
func (r *readySource) read(descriptor uintptr) bool {
	chunk := chunks.Get().(*[4096]byte)
	for {
		r.filled, r.err = syscall.Read(int(descriptor), chunk[:])
		if !errors.Is(r.err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(r.err, syscall.EAGAIN) {
		chunks.Put(chunk)
		return false
	}
	r.chunk = chunk
	return true
}
