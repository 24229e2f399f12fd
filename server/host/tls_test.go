package host

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
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

func (w *watched) putBoth(files pemFiles) {
	w.t.Helper()
	w.put("tls.crt", string(files.certificate))
	w.put("tls.key", string(files.key))
}

func TestCertificateIsReadAgainWhenItChanges(t *testing.T) {
	w := watch(t)
	first, second := newPEM(t, "first"), newPEM(t, "second")
	w.putBoth(first)
	pair, err := loadCertificate(filepath.Join(w.folder, "tls.crt"), filepath.Join(w.folder, "tls.key"), &w.reloads)
	if err != nil {
		t.Fatal(err)
	}
	settings := pair.config()
	expect := func(step, name string, lines int) {
		t.Helper()
		for range 2 { // a change is judged once
			w.reloads.look()
			certificate, err := settings.GetCertificate(nil)
			if err != nil || certificate.Leaf.Subject.CommonName != name {
				t.Errorf("%s: %v, %v", step, certificate.Leaf.Subject, err)
			}
		}
		if got := strings.Count(w.log.String(), "\n"); got != lines {
			t.Errorf("%s: %d lines, want %d: %s", step, got, lines, w.log.String())
		}
	}
	expect("unchanged", "first", 0)
	w.put("tls.crt", string(second.certificate))
	expect("half of a change", "first", 1)
	w.put("tls.key", string(second.key))
	expect("the other half", "second", 2)
	w.put("tls.crt", "garbage")
	expect("garbage", "second", 3)
	if err := os.Remove(filepath.Join(w.folder, "tls.crt")); err != nil {
		t.Fatal(err)
	}
	expect("gone", "second", 3)
	w.put("tls.key", string(first.key))
	w.put("tls.crt", string(first.certificate))
	expect("back", "first", 4)
}

func TestCertificateThatCannotBeUsedIsAnError(t *testing.T) {
	w := watch(t)
	load := func() error {
		_, err := loadCertificate(filepath.Join(w.folder, "tls.crt"), filepath.Join(w.folder, "tls.key"), &w.reloads)
		return err
	}
	if err := load(); err == nil || !strings.Contains(err.Error(), "tls.crt") {
		t.Errorf("no files: %v", err)
	}
	w.putBoth(pemFiles{newPEM(t, "one").certificate, newPEM(t, "other").key})
	if load() == nil {
		t.Error("a key of another certificate")
	}
}
