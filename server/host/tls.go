package host

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is a certificate in files that may be replaced while the server runs. The files are looked at with each
// TLS handshake, which costs less than a thousandth of it; a change that cannot be used leaves the old one in place.
type certificate struct {
	certificateFile, keyFile string
	logger                   *slog.Logger

	// mu guards what follows. Files are read with it held, so that a change is read once.
	mu      sync.Mutex
	seen    [2]stamp
	current *tls.Certificate
}

// stamp tells one version of a file from the next.
type stamp struct {
	modified time.Time
	size     int64
}

func loadCertificate(certificateFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	result := &certificate{certificateFile: certificateFile, keyFile: keyFile, logger: logger}
	seen, err := result.stamps()
	if err != nil {
		return nil, err
	}
	return result, result.read(seen)
}

// config returns the TLS settings of a server. HTTP/2 is offered beside HTTP/1.1: browsers open WebSockets on a
// connection of their own and ask for HTTP/1.1 there.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}
}

func (c *certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, err := c.stamps()
	if err != nil || seen == c.seen {
		return c.current // a file that is away for a moment is being replaced
	}
	if err := c.read(seen); err != nil {
		// The two files are seldom replaced in the same instant; the second one brings a new stamp.
		c.logger.Warn("cannot use the new TLS certificate, the old one stays in use", "error", err)
		return c.current
	}
	c.logger.Info("using a new TLS certificate", "file", c.certificateFile, "expires", c.current.Leaf.NotAfter)
	return c.current
}

// read is called with mu held, or before anybody else has the certificate.
func (c *certificate) read(seen [2]stamp) error {
	c.seen = seen
	pair, err := tls.LoadX509KeyPair(c.certificateFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load the TLS certificate: %w", err)
	}
	c.current = &pair
	return nil
}

func (c *certificate) stamps() (seen [2]stamp, err error) {
	for at, file := range []string{c.certificateFile, c.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			return seen, err
		}
		seen[at] = stamp{info.ModTime(), info.Size()}
	}
	return seen, nil
}
