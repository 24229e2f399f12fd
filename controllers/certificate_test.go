package controllers

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/chatcluster/chatcluster/server/certificatetest"
)

func TestAServerIsKnownByItsLastCertificate(t *testing.T) {
	const name = "demo-redis.default.svc.cluster.local"
	former, present, foreign := certificatetest.NewAuthority(t), certificatetest.NewAuthority(t), certificatetest.NewAuthority(t)
	now := time.Now()
	certificates, key := &Certificates{}, certificateOf{types.NamespacedName{Namespace: "default", Name: "demo"}, "redis-tls"}
	read := func(a *certificatetest.Authority) *certificate {
		t.Helper()
		read := readCertificate(a.IssueUntil(t, now, name).Certificate, a.PEM)
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
		{"is good", name, present.IssueUntil(t, now.Add(time.Minute), name).Parse(t), true},
		{"has expired", name, present.IssueUntil(t, now.Add(-time.Hour), name).Parse(t), true},
		{"is of the former authority", name, former.IssueUntil(t, now.Add(time.Minute), name).Parse(t), true},
		{"is of nobody known", name, foreign.IssueUntil(t, now.Add(time.Minute), name).Parse(t), false},
		{"is not good yet", name, present.IssueUntil(t, now.Add(3*time.Hour), name).Parse(t), false},
		{"is another server's", name, present.IssueUntil(t, now.Add(time.Minute), "other").Parse(t), false},
		{"is of a server without a name", "", present.IssueUntil(t, now.Add(time.Minute), name).Parse(t), false},
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
	former, present := certificatetest.NewAuthority(t), certificatetest.NewAuthority(t)
	read := readCertificate(present.IssueUntil(t, time.Now(), name).Certificate, present.PEM)
	state := tls.ConnectionState{
		ServerName: name, PeerCertificates: []*x509.Certificate{former.IssueUntil(t, time.Now().Add(time.Minute), name).Parse(t)},
	}
	if err := read.config().VerifyConnection(state); err == nil {
		t.Error("a certificate of an authority that nobody knows is good")
	}
	if err := read.alsoBy(former.PEM).config().VerifyConnection(state); err != nil {
		t.Errorf("a certificate of the former authority: %v", err)
	}
}

// Whoever has the key of an authority that was given up must not be able to pass for Redis for as long as the operator runs.
func TestAFormerAuthorityIsGoodUntilServersShowTheNext(t *testing.T) {
	const name = "demo-redis.default.svc.cluster.local"
	former, present := certificatetest.NewAuthority(t), certificatetest.NewAuthority(t)
	certificates, key := &Certificates{}, certificateOf{types.NamespacedName{Namespace: "default", Name: "demo"}, "redis-tls"}
	read := func(a *certificatetest.Authority, version string) *certificate {
		read := readCertificate(a.IssueUntil(t, time.Now(), name).Certificate, a.PEM)
		read.version = version
		certificates.remember(key, read)
		return read
	}
	state := tls.ConnectionState{
		ServerName: name, PeerCertificates: []*x509.Certificate{former.IssueUntil(t, time.Now().Add(time.Minute), name).Parse(t)},
	}
	old := read(former, "1")
	read(present, "2")
	certificates.settle(key, old) // seen by a look that was before the Secret changed
	certificates.settle(key, nil) // seen while the Secret had no certificate
	if err := certificates.remembered(key, "2").config().VerifyConnection(state); err != nil {
		t.Errorf("a certificate of the former authority, before the next one is shown: %v", err)
	}
	certificates.settle(key, certificates.remembered(key, "2"))
	if err := certificates.remembered(key, "2").config().VerifyConnection(state); err == nil {
		t.Error("the former authority is still good, though servers show a certificate of the next")
	}
}

func TestAuthoritiesAreJoinedOnce(t *testing.T) {
	one, other := certificatetest.NewAuthority(t).PEM, certificatetest.NewAuthority(t).PEM
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret")})
	text := slices.Concat([]byte("a comment\n"), one, key)
	if joined := joinPEM(text, nil, other, one, []byte("x")); !bytes.Equal(joined, slices.Concat(one, other)) {
		t.Errorf("joined are\n%s", joined)
	}
}

func TestWhatIsNoCertificateIsNone(t *testing.T) {
	good := certificatetest.NewAuthority(t).PEM
	for _, c := range []struct{ chain, authorities []byte }{{nil, nil}, {good, nil}, {good, []byte("x")}, {[]byte("x"), good}} {
		if readCertificate(c.chain, c.authorities) != nil {
			t.Errorf("%q of %q is read", c.chain, c.authorities)
		}
	}
}
