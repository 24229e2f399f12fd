//go:build !unix

package transport

import "syscall"

// nonblockingWriter stands in where sockets cannot be written to without waiting: it leaves every write to the
// socket's own goroutine.
type nonblockingWriter struct {
	frameBuilder
	batch batch
}

func newNonblockingWriter() *nonblockingWriter { return &nonblockingWriter{} }

func (*nonblockingWriter) write(syscall.RawConn, []byte) (int, error) { return 0, nil }
