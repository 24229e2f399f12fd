//go:build unix

package transport

import (
	"errors"
	"fmt"
	"syscall"
)

// nonblockingWriter writes to sockets without waiting for them. It belongs to one goroutine.
type nonblockingWriter struct {
	frameBuilder
	batch batch

	// attempt is the callback for RawConn.Write. It is made once, and its arguments and results are kept here, so that a
	// write allocates nothing.
	attempt func(descriptor uintptr) bool
	data    []byte
	written int
	err     error
}

func newNonblockingWriter() *nonblockingWriter {
	w := &nonblockingWriter{}
	w.attempt = func(descriptor uintptr) bool {
		w.written, w.err = syscall.Write(int(descriptor), w.data)
		return !errors.Is(w.err, syscall.EINTR)
	}
	return w
}

// write returns how many bytes the socket took at once; none if it takes only blocking writes.
func (w *nonblockingWriter) write(raw syscall.RawConn, data []byte) (int, error) {
	if raw == nil {
		return 0, nil
	}
	w.data, w.written, w.err = data, 0, nil
	err := raw.Write(w.attempt)
	w.data = nil
	if err == nil {
		err = w.err
	}
	if errors.Is(err, syscall.EAGAIN) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("write to the client's socket: %w", err)
	}
	return w.written, nil
}
