package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// requestsTo returns a client for a server with the certificate in file, nil for any server that this machine trusts. The file
// is read each time: a certificate that is renewed meanwhile is found by the next attempt.
func requestsTo(file string) (*http.Client, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file) //nolint:gosec // whoever types the command names the file
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	config, err := trustIn(text)
	if err != nil {
		return nil, fmt.Errorf("the certificate in %s: %w", file, err)
	}
	// As with any other client of check, each connection lets a balancer choose anew.
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: config}}, nil
}

// trustIn trusts the first certificate of a PEM text and whoever signed it, if that comes behind it. The server is expected to have
// the name in the certificate, whatever its address: inside a Kubernetes cluster that is another.
func trustIn(text []byte) (*tls.Config, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("it does not begin with a certificate in PEM")
	}
	server, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(server)
	roots.AppendCertsFromPEM(rest)
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	switch {
	case len(server.DNSNames) > 0:
		config.ServerName = strings.Replace(server.DNSNames[0], "*", "any", 1) // a name that the wildcard allows
	case len(server.IPAddresses) > 0:
		config.ServerName = server.IPAddresses[0].String()
	default:
		return nil, errors.New("it names no host")
	}
	return config, nil
}
