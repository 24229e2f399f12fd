package redistest

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
	"testing"
	"time"
)

// Authority issues certificates.
type Authority struct {
	// File is the authority's own certificate in PEM.
	File string
	// Pool holds that certificate.
	Pool *x509.CertPool

	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Certificate is one that an Authority has issued.
type Certificate struct {
	// CertificateFile and KeyFile are PEM files.
	CertificateFile, KeyFile string
}

// NewAuthority makes an authority that nobody knows yet.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	template := newTemplate("test authority")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	a := &Authority{File: filepath.Join(t.TempDir(), "authority.pem"), Pool: x509.NewCertPool(), key: newKey(t)}
	encoded, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	must(t, err)
	a.certificate, err = x509.ParseCertificate(encoded)
	must(t, err)
	a.Pool.AddCert(a.certificate)
	writePEM(t, a.File, "CERTIFICATE", encoded)
	return a
}

// Issue makes a certificate for host names and addresses, for servers and clients alike.
func (a *Authority) Issue(t testing.TB, names ...string) Certificate {
	t.Helper()
	directory := t.TempDir()
	c := Certificate{CertificateFile: filepath.Join(directory, "certificate.pem"), KeyFile: filepath.Join(directory, "key.pem")}
	a.Renew(t, c, names...)
	return c
}

// Renew replaces the files of c with a new certificate and a new key.
func (a *Authority) Renew(t testing.TB, c Certificate, names ...string) {
	t.Helper()
	template := newTemplate(names[0])
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, name := range names {
		if address := net.ParseIP(name); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	key := newKey(t)
	encoded, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	must(t, err)
	encodedKey, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	writePEM(t, c.CertificateFile, "CERTIFICATE", encoded)
	writePEM(t, c.KeyFile, "PRIVATE KEY", encodedKey)
}

func newTemplate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // rand.Reader never fails
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

// writePEM replaces file as a whole: a reader never sees half of it.
func writePEM(t testing.TB, file, kind string, contents []byte) {
	t.Helper()
	fresh := file + ".new"
	must(t, os.WriteFile(fresh, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: contents}), 0o600))
	must(t, os.Rename(fresh, file))
}
