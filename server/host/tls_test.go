package host

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pemFiles are a certificate and its key as they lie in files.
type pemFiles struct{ certificate, key []byte }

// newPEM makes a certificate for localhost with that common name.
func newPEM(t *testing.T, name string) pemFiles {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemFiles{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

// tlsFolder is a folder with tls.crt and tls.key whose files get a new time with each change.
type tlsFolder struct {
	t       *testing.T
	folder  string
	changes int
}

func (f *tlsFolder) path(name string) string { return filepath.Join(f.folder, name) }

func (f *tlsFolder) write(name string, content []byte) {
	f.t.Helper()
	if err := os.WriteFile(f.path(name), content, 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.changes++
	changed := time.Now().Add(time.Duration(f.changes) * time.Second)
	if err := os.Chtimes(f.path(name), changed, changed); err != nil {
		f.t.Fatal(err)
	}
}

func (f *tlsFolder) writeBoth(files pemFiles) {
	f.t.Helper()
	f.write("tls.crt", files.certificate)
	f.write("tls.key", files.key)
}

func commonName(certificate *tls.Certificate) string { return certificate.Leaf.Subject.CommonName }

func TestCertificateIsReadAgainWhenItChanges(t *testing.T) {
	folder := &tlsFolder{t: t, folder: t.TempDir()}
	first, second := newPEM(t, "first"), newPEM(t, "second")
	folder.writeBoth(first)
	var log bytes.Buffer
	pair, err := loadCertificate(folder.path("tls.crt"), folder.path("tls.key"), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	expect := func(step, name string, lines int) {
		t.Helper()
		for range 2 { // a change is judged once
			if got := commonName(pair.get()); got != name {
				t.Errorf("%s: %s", step, got)
			}
		}
		if got := strings.Count(log.String(), "\n"); got != lines {
			t.Errorf("%s: %d lines, want %d: %s", step, got, lines, log.String())
		}
	}
	expect("unchanged", "first", 0)
	folder.write("tls.crt", second.certificate)
	expect("half of a change", "first", 1)
	folder.write("tls.key", second.key)
	expect("the other half", "second", 2)
	folder.write("tls.crt", []byte("garbage"))
	expect("garbage", "second", 3)
	if err := os.Remove(folder.path("tls.crt")); err != nil {
		t.Fatal(err)
	}
	expect("gone", "second", 3)
	folder.writeBoth(first)
	expect("back", "first", 4)
}

func TestCertificateThatCannotBeUsedIsAnError(t *testing.T) {
	folder := &tlsFolder{t: t, folder: t.TempDir()}
	load := func() error {
		_, err := loadCertificate(folder.path("tls.crt"), folder.path("tls.key"), slog.New(slog.DiscardHandler))
		return err
	}
	if load() == nil {
		t.Error("no files")
	}
	folder.write("tls.crt", newPEM(t, "one").certificate)
	folder.write("tls.key", newPEM(t, "other").key)
	if load() == nil {
		t.Error("a key of another certificate")
	}
}
