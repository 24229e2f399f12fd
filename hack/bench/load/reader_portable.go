package load

import (
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	portableBuffer = 16 << 10
	writeTimeout   = 30 * time.Second
)

// portableReader reads each connection in a goroutine of its own.
type portableReader struct {
	swarm   *Swarm
	reading sync.WaitGroup

	mutex sync.Mutex
	conns []net.Conn // guarded by mutex
}

func (r *portableReader) attach(c *client, conn net.Conn) error {
	r.mutex.Lock()
	r.conns = append(r.conns, conn)
	r.mutex.Unlock()
	c.socket = &portableSocket{conn: conn}
	r.reading.Go(func() { r.read(c, conn) })
	return nil
}

func (r *portableReader) read(c *client, conn net.Conn) {
	buffer := make([]byte, portableBuffer)
	for {
		n, err := conn.Read(buffer)
		if err == nil {
			err = r.swarm.receive(c, buffer[:n])
		}
		if err != nil {
			r.swarm.lose(c, err)
			c.socket.shut()
			return
		}
	}
}

func (r *portableReader) stop() {
	r.mutex.Lock()
	for _, conn := range r.conns {
		_ = conn.Close()
	}
	r.mutex.Unlock()
	r.reading.Wait()
}

// portableSocket relies on net.Conn, whose writes are whole and wait for each other.
type portableSocket struct {
	conn net.Conn
}

func (s *portableSocket) write(frames []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := s.conn.Write(frames); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func (s *portableSocket) shut() { _ = s.conn.Close() }
