package load

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readBuffer  = 256 << 10
	eventBatch  = 256
	queuedBytes = 64 << 20
)

var errSlowServer = fmt.Errorf("the server reads too slowly: %d bytes wait to be sent", queuedBytes)

func newReader(s *Swarm, portable bool) (reader, error) {
	if portable {
		return &portableReader{swarm: s}, nil
	}
	return newEpollReader(s)
}

// epollReader reads all connections in one goroutine, one system call per readable connection. The runtime's own
// poller reads every connection until it would block and switches goroutines for each: a fifth more processor time
// per delivery, and it falls behind the servers sooner, which then shows as their latency.
type epollReader struct {
	swarm *Swarm
	epoll int
	wake  int // an eventfd: readable once stop was called
	done  chan struct{}

	mutex   sync.Mutex
	sockets map[int32]*epollSocket // by descriptor; guarded by mutex
}

func newEpollReader(s *Swarm) (*epollReader, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, fmt.Errorf("create eventfd: %w", err)
	}
	r := &epollReader{swarm: s, epoll: epoll, wake: wake, done: make(chan struct{}), sockets: map[int32]*epollSocket{}}
	if err := r.watch(unix.EPOLL_CTL_ADD, wake, unix.EPOLLIN); err != nil {
		_, _ = unix.Close(epoll), unix.Close(wake)
		return nil, err
	}
	go r.run()
	return r, nil
}

func (r *epollReader) watch(operation, descriptor int, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(descriptor)} // #nosec G115 -- descriptors are small
	if err := unix.EpollCtl(r.epoll, operation, descriptor, &event); err != nil {
		return fmt.Errorf("watch connection: %w", err)
	}
	return nil
}

// attach moves conn out of the runtime's poller, which would wake for every packet too.
func (r *epollReader) attach(c *client, conn net.Conn) error {
	descriptor, err := duplicate(conn)
	_ = conn.Close()
	if err != nil {
		return err
	}
	s := &epollSocket{reader: r, client: c, descriptor: descriptor}
	c.socket = s
	r.mutex.Lock()
	r.sockets[int32(descriptor)] = s // #nosec G115 -- descriptors are small
	r.mutex.Unlock()
	return r.watch(unix.EPOLL_CTL_ADD, descriptor, unix.EPOLLIN)
}

func duplicate(conn net.Conn) (int, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return 0, fmt.Errorf("connection is a %T, not TCP", conn)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("get descriptor: %w", err)
	}
	var descriptor int
	var failed error
	if err := raw.Control(func(fd uintptr) {
		descriptor, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return 0, fmt.Errorf("get descriptor: %w", err)
	}
	if failed != nil {
		return 0, fmt.Errorf("duplicate descriptor: %w", failed)
	}
	return descriptor, nil
}

func (r *epollReader) run() {
	defer close(r.done)
	events := make([]unix.EpollEvent, eventBatch)
	buffer := make([]byte, readBuffer)
	for {
		n, err := unix.EpollWait(r.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		for _, event := range events[:max(n, 0)] {
			if int(event.Fd) == r.wake {
				return
			}
			r.handle(event, buffer)
		}
	}
}

func (r *epollReader) handle(event unix.EpollEvent, buffer []byte) {
	r.mutex.Lock()
	s := r.sockets[event.Fd]
	r.mutex.Unlock()
	if event.Events&unix.EPOLLOUT != 0 {
		s.flush()
	}
	if event.Events&^unix.EPOLLOUT == 0 {
		return
	}
	if err := s.read(buffer); err != nil {
		r.swarm.lose(s.client, err)
		// Out of epoll, or it would report the dead connection for ever. The descriptor stays until stop:
		// closed now, its number could name another connection while a writer still holds it.
		_ = unix.EpollCtl(r.epoll, unix.EPOLL_CTL_DEL, s.descriptor, nil)
		s.shut()
	}
}

func (r *epollReader) stop() {
	_, _ = unix.Write(r.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-r.done
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, s := range r.sockets {
		_ = unix.Close(s.descriptor)
	}
	_, _ = unix.Close(r.epoll), unix.Close(r.wake)
}

// epollSocket writes without ever blocking: what the network does not take waits until it does.
type epollSocket struct {
	reader     *epollReader
	client     *client
	descriptor int

	// mutex guards what follows and keeps frames whole. Writes under it do not block.
	mutex  sync.Mutex
	queued []byte
	failed error
}

func (s *epollSocket) read(buffer []byte) error {
	n, err := unix.Read(s.descriptor, buffer)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case n == 0:
		return io.EOF
	}
	return s.client.swarm.receive(s.client, buffer[:n])
}

func (s *epollSocket) write(frames []byte) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.failed != nil {
		return s.failed
	}
	if len(s.queued)+len(frames) > queuedBytes {
		s.failed = errSlowServer
		return s.failed
	}
	waiting := len(s.queued) > 0
	s.queued = append(s.queued, frames...)
	if waiting {
		return nil // epoll tells when to go on
	}
	if s.writeQueued(); len(s.queued) > 0 && s.failed == nil {
		s.failed = s.reader.watch(unix.EPOLL_CTL_MOD, s.descriptor, unix.EPOLLIN|unix.EPOLLOUT)
	}
	return s.failed
}

func (s *epollSocket) flush() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.writeQueued(); len(s.queued) == 0 && s.failed == nil {
		s.failed = s.reader.watch(unix.EPOLL_CTL_MOD, s.descriptor, unix.EPOLLIN)
	}
}

// writeQueued writes what the network takes now. The mutex is held.
func (s *epollSocket) writeQueued() {
	for len(s.queued) > 0 {
		n, err := unix.Write(s.descriptor, s.queued)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil:
			s.failed, s.queued = fmt.Errorf("write: %w", err), nil
			return
		default:
			s.queued = append(s.queued[:0], s.queued[n:]...)
		}
	}
}

func (s *epollSocket) shut() { _ = unix.Shutdown(s.descriptor, unix.SHUT_RDWR) }

// preciseSleep sleeps with the kernel's resolution. The runtime's timers round up to its poller's millisecond,
// which would show as latency of the servers.
func preciseSleep(duration time.Duration) {
	request := unix.NsecToTimespec(int64(duration))
	_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &request, nil) // interrupted: the caller looks at the clock
}
