package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLSFiles are PEM files with certificates for the connections to Redis. They are read for every new connection: who
// replaces them need not restart anything, and connections that live go on. They count only where there is TLS.
type TLSFiles struct {
	// AuthorityFile holds the authorities that may vouch for Redis. Default: those of the system.
	AuthorityFile string
	// CertificateFile and KeyFile hold the certificate with which this process proves itself to Redis. Both or neither.
	CertificateFile, KeyFile string
}

var errNoCertificates = errors.New("it holds no certificate in PEM form")

// apply returns config with the contents of the files; nil stays nil.
func (f TLSFiles) apply(config *tls.Config) (*tls.Config, error) {
	if config == nil || f == (TLSFiles{}) {
		return config, nil
	}
	config = config.Clone()
	if f.AuthorityFile != "" {
		pem, err := os.ReadFile(f.AuthorityFile)
		if err != nil {
			return nil, fmt.Errorf("read the authorities for Redis: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the authorities for Redis: %s: %w", f.AuthorityFile, errNoCertificates)
		}
	}
	if f.CertificateFile != "" {
		certificate, err := tls.LoadX509KeyPair(f.CertificateFile, f.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificate for Redis: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

// Check returns what is wrong with the files as they are now.
func (f TLSFiles) Check() error {
	_, err := f.apply(&tls.Config{MinVersion: tls.VersionTLS12})
	return err
}
