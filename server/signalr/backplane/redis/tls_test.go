package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate writes a self-signed certificate for redis.example.com and its key.
func certificate(t *testing.T) (pool *x509.CertPool, certificateFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "test"},
		DNSNames:              []string{"redis.example.com"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	encoded, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(encoded)
	if err != nil {
		t.Fatal(err)
	}
	encodedKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	directory := t.TempDir()
	certificateFile, keyFile = filepath.Join(directory, "certificate"), filepath.Join(directory, "key")
	writePEM(t, certificateFile, "CERTIFICATE", encoded)
	writePEM(t, keyFile, "PRIVATE KEY", encodedKey)
	return pool, certificateFile, keyFile
}

func writePEM(t *testing.T, file, kind string, contents []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: contents}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEncryptedConnection(t *testing.T) {
	pool, certificateFile, keyFile := certificate(t)
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	startRedis(t, "--tls-port", port, "--tls-cert-file", certificateFile, "--tls-key-file", keyFile, "--tls-auth-clients", "no",
		"--requirepass", "secret")
	parsed, err := ParseConnectionString(address + ",ssl=true,sslHost=redis.example.com,password=secret")
	if err != nil {
		t.Fatal(err)
	}
	options := parsed.Options()
	options.Redis.TLSConfig.RootCAs = pool
	plane := New(options)
	t.Cleanup(func() { _ = plane.Close() })
	receiver := newRecorder()
	hub := openHub(t, plane, receiver)
	text := strings.Repeat("x", 100_000)
	publish(t, hub, toAll, text)
	receiver.expect(t, toAll, text)

	unknown := New(parsed.Options())
	t.Cleanup(func() { _ = unknown.Close() })
	eventually(t, "an unknown certificate is refused", func() bool {
		err := unknown.State().LastError
		return err != nil && strings.Contains(err.Error(), "certificate")
	})
	other := parsed
	other.TLSHost = "other.example.com"
	options = other.Options()
	options.Redis.TLSConfig.RootCAs = pool
	wrongName := New(options)
	t.Cleanup(func() { _ = wrongName.Close() })
	eventually(t, "another name is refused", func() bool {
		err := wrongName.State().LastError
		return err != nil && strings.Contains(err.Error(), "other.example.com")
	})
}
