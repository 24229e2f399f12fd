// Package certificatetest makes the certificates that tests need.
package certificatetest

import (
	"crypto/ecdsa"
	"crypto/x509"
	"path/filepath"
	"testing"
	"time"
)

// Authority issues certificates.
type Authority struct {
	// PEM is the authority's own certificate, File a file with it.
	PEM  []byte
	File string
	// Pool holds that certificate.
	Pool *x509.CertPool

	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes an authority that nobody knows yet, good for an hour.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	template := newTemplate(time.Now().Add(time.Hour), []string{"test authority"})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageCertSign, nil
	template.NotBefore = template.NotBefore.Add(-24 * time.Hour) // earlier than those that it issues, expired ones too
	key := newKey(t)
	pair := sign(t, template, template, key, key)
	a := &Authority{
		PEM: pair.Certificate, File: filepath.Join(t.TempDir(), "authority.pem"), Pool: x509.NewCertPool(),
		certificate: pair.Parse(t), key: key,
	}
	a.Pool.AddCert(a.certificate)
	replace(t, a.File, a.PEM)
	return a
}

// Issue makes a certificate in files, for host names and addresses, for servers and clients alike, good for an hour.
func (a *Authority) Issue(t testing.TB, names ...string) Files {
	t.Helper()
	return a.IssueUntil(t, time.Now().Add(time.Hour), names...).Files(t)
}

// IssueUntil makes a certificate that is good for the two hours before end.
func (a *Authority) IssueUntil(t testing.TB, end time.Time, names ...string) Pair {
	t.Helper()
	return sign(t, newTemplate(end, names), a.certificate, newKey(t), a.key)
}

// Renew replaces files with a new certificate and a new key.
func (a *Authority) Renew(t testing.TB, files Files, names ...string) {
	t.Helper()
	files.replace(t, a.IssueUntil(t, time.Now().Add(time.Hour), names...))
}
