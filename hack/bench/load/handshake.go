package load

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1" // #nosec G505 -- the WebSocket handshake is defined with SHA-1 (RFC 6455, section 4.2.2)
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/frame"
)

const (
	// acceptGUID is the constant that a server appends to the key (RFC 6455, section 1.3).
	acceptGUID       = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
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
	if err := upgrade(conn, reader, to); err != nil {
		return err
	}
	if _, err := conn.Write(frame.Append(nil, frame.Text, maskKey(), []byte(handshakeRequest))); err != nil {
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

func upgrade(conn io.Writer, reader *bufio.Reader, to target) error {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", to.path, to.host, key)
	if err != nil {
		return fmt.Errorf("send the upgrade request: %w", err)
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return fmt.Errorf("read the upgrade response: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("upgrade refused: %s", response.Status)
	}
	if got, want := response.Header.Get("Sec-WebSocket-Accept"), acceptOf(key); got != want {
		return fmt.Errorf("upgrade: Sec-WebSocket-Accept is %q, want %q", got, want)
	}
	return nil
}

func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID)) // #nosec G401 -- see the import
	return base64.StdEncoding.EncodeToString(sum[:])
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

func maskKey() (key [4]byte) {
	_, _ = rand.Read(key[:])
	return key
}
