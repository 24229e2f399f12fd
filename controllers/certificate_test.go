package controllers

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour),
		NotBefore: time.Now().Add(-24 * time.Hour),
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := authority{certificate: template, key: key}
	a.certificate = a.issue(t, template, &key.PublicKey)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
	return a
}

func (a authority) issue(t *testing.T, template *x509.Certificate, key *ecdsa.PublicKey) *x509.Certificate {
	t.Helper()
	raw, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key, a.key)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

// server is a certificate for a server, good until end.
func (a authority) server(t *testing.T, name string, end time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{name}, NotBefore: end.Add(-time.Hour), NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	return a.issue(t, template, &a.key.PublicKey)
}

func TestAServerIsKnownByItsLastCertificate(t *testing.T) {
	const name = "demo-redis.default.svc.cluster.local"
	former, present, foreign := newAuthority(t), newAuthority(t), newAuthority(t)
	now := time.Now()
	certificates, key := &Certificates{}, types.NamespacedName{Namespace: "default", Name: "redis-tls"}
	read := func(a authority) *certificate {
		t.Helper()
		chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server(t, name, now).Raw})
		read := readCertificate(chain, a.pem)
		if read == nil {
			t.Fatal("the certificate cannot be read")
		}
		certificates.remember(key, read)
		return read
	}
	read(former)
	read(present)
	known := read(present) // renewed: the servers may still show one of the former authority
	for _, test := range []struct {
		what, name string
		shown      *x509.Certificate
		good       bool
	}{
		{"is good", name, present.server(t, name, now.Add(time.Minute)), true},
		{"has expired", name, present.server(t, name, now.Add(-time.Hour)), true},
		{"is of the former authority", name, former.server(t, name, now.Add(time.Minute)), true},
		{"is of nobody known", name, foreign.server(t, name, now.Add(time.Minute)), false},
		{"is not good yet", name, present.server(t, name, now.Add(2*time.Hour)), false},
		{"is another server's", name, present.server(t, "other", now.Add(time.Minute)), false},
		{"is of a server without a name", "", present.server(t, name, now.Add(time.Minute)), false},
	} {
		state := tls.ConnectionState{ServerName: test.name, PeerCertificates: []*x509.Certificate{test.shown}}
		if err := known.config().VerifyConnection(state); (err == nil) != test.good {
			t.Errorf("a certificate that %s: %v", test.what, err)
		}
	}
	if (&certificate{}).config() != nil {
		t.Error("there is TLS without a certificate")
	}
}

// An operator that starts while servers show a certificate of a former authority has read the present one only.
func TestAFormerAuthorityIsKnownAfterARestart(t *testing.T) {
	const name = "demo-redis.default.svc.cluster.local"
	former, present := newAuthority(t), newAuthority(t)
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: present.server(t, name, time.Now()).Raw})
	read := readCertificate(chain, present.pem)
	state := tls.ConnectionState{
		ServerName: name, PeerCertificates: []*x509.Certificate{former.server(t, name, time.Now().Add(time.Minute))},
	}
	if err := read.config().VerifyConnection(state); err == nil {
		t.Error("a certificate of an authority that nobody knows is good")
	}
	if err := read.alsoBy(former.pem).config().VerifyConnection(state); err != nil {
		t.Errorf("a certificate of the former authority: %v", err)
	}
}

func TestAuthoritiesAreJoinedOnce(t *testing.T) {
	one, other := newAuthority(t).pem, newAuthority(t).pem
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")})
	text := slices.Concat([]byte("a comment\n"), one, key)
	if joined := joinPEM(text, nil, other, one, []byte("x")); !bytes.Equal(joined, slices.Concat(one, other)) {
		t.Errorf("joined are\n%s", joined)
	}
}

func TestWhatIsNoCertificateIsNone(t *testing.T) {
	good := newAuthority(t).pem
	for _, c := range []struct{ chain, authorities []byte }{{nil, nil}, {good, nil}, {good, []byte("x")}, {[]byte("x"), good}} {
		if readCertificate(c.chain, c.authorities) != nil {
			t.Errorf("%q of %q is read", c.chain, c.authorities)
		}
	}
}
