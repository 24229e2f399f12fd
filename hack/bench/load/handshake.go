package load

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/frame"
)

const (
	handshakeBuffer  = 1024
	handshakeRequest = `{"protocol":"json","version":1}` + "\x1e"
)

// open dials the hub without negotiation (TransportProtocols.md, "WebSockets"), upgrades and agrees on the JSON
// protocol. What the server sent beyond that has been given to c already.
func (s *Swarm) open(ctx context.Context, to target, c *client) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.HandshakeTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to.address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to.address, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = s.agree(conn, to, c)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open %s%s: %w", to.address, to.path, err)
	}
	return conn, nil
}

func (s *Swarm) agree(conn net.Conn, to target, c *client) error {
	reader := bufio.NewReaderSize(conn, handshakeBuffer)
	if _, err := frame.Upgrade(conn, reader, to.host, to.path); err != nil {
		return err
	}
	if _, err := conn.Write(frame.Append(nil, frame.Text, frame.MaskKey(), []byte(handshakeRequest))); err != nil {
		return fmt.Errorf("send the hub handshake: %w", err)
	}
	buffer := make([]byte, handshakeBuffer)
	for !c.handshaken || reader.Buffered() > 0 {
		n, err := reader.Read(buffer)
		if err != nil {
			return fmt.Errorf("read the hub handshake: %w", err)
		}
		if err := s.receive(c, buffer[:n]); err != nil {
			return err
		}
	}
	return nil
}

// checkHandshake reads the server's answer: {} or {"error":"..."} (HubProtocol.md, "HandshakeResponse").
func checkHandshake(record []byte) error {
	var answer struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(record, &answer); err != nil {
		return fmt.Errorf("hub handshake response: %w", err)
	}
	if answer.Error != "" {
		return fmt.Errorf("hub handshake refused: %s", answer.Error)
	}
	return nil
}
