package frame

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1" // #nosec G505 -- the WebSocket handshake is defined with SHA-1 (RFC 6455, section 4.2.2)
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
)

// acceptGUID is the constant that a server appends to the key (RFC 6455, section 1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// RefusedError says that a server answered an upgrade with another status than 101.
type RefusedError struct {
	// Code is the status, Status its text as the server wrote it.
	Code   int
	Status string
}

func (e *RefusedError) Error() string { return "upgrade refused: " + e.Status }

// Upgrade asks for a WebSocket at path and reads the answer: what follows it in reader are frames. It is the one part of
// this package that reads and writes. It returns the answer's headers. A status other than 101 is a *RefusedError.
func Upgrade(conn io.Writer, reader *bufio.Reader, host, path string) (http.Header, error) {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", path, host, key)
	if err != nil {
		return nil, fmt.Errorf("send the upgrade request: %w", err)
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return nil, fmt.Errorf("read the upgrade response: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil, &RefusedError{response.StatusCode, response.Status}
	}
	if got, want := response.Header.Get("Sec-WebSocket-Accept"), acceptOf(key); got != want {
		return nil, fmt.Errorf("upgrade: Sec-WebSocket-Accept is %q, want %q", got, want)
	}
	return response.Header, nil
}

func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID)) // #nosec G401 -- see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

// MaskKey returns a new key for Append.
func MaskKey() (key [maskKeyLength]byte) {
	_, _ = rand.Read(key[:])
	return key
}
