package host

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"github.com/chatcluster/chatcluster/server/host/config"
)

// certificate is a certificate that may be replaced while the server runs. New TLS connections get the new one.
type certificate struct {
	current atomic.Pointer[tls.Certificate]
}

// loadCertificate reads a certificate and its key, and follows their files.
func loadCertificate(certificateFile, keyFile string, reloads *reloads) (*certificate, error) {
	values := []value{{key: "TlsCertificateFile", file: certificateFile}, {key: "TlsKeyFile", file: keyFile}}
	texts := make([]string, len(values))
	for at := range values {
		text, err := config.ReadValue(values[at].file)
		if err != nil {
			return nil, fmt.Errorf("%s %w", values[at].file, err)
		}
		values[at].text, texts[at] = text, text
	}
	result := &certificate{}
	if err := result.replace(texts); err != nil {
		return nil, err
	}
	reloads.watch(result.replace, values...)
	return result, nil
}

// replace takes over a certificate and its key; on an error the old ones stay. The files are seldom replaced in the same
// instant: after the first there may be an error, the second makes it good.
func (c *certificate) replace(texts []string) error {
	pair, err := tls.X509KeyPair([]byte(texts[0]), []byte(texts[1]))
	if err != nil {
		return fmt.Errorf("load the TLS certificate: %w", err)
	}
	c.current.Store(&pair)
	return nil
}

// config returns the TLS settings of a server. HTTP/2 is offered beside HTTP/1.1: browsers open WebSockets on a
// connection of their own and ask for HTTP/1.1 there.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
