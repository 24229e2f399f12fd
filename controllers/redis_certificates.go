package controllers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chatcluster/chatcluster/controllers/children"
)

// authorityKey is where cert-manager puts the authority's certificate.
const authorityKey = "ca.crt"

// Certificates knows the certificates of Redis that users have in Secrets. It reads a Secret when it has changed, and keeps nothing
// of it that is secret. It may be used by many at a time.
type Certificates struct {
	// Metadata has the metadata of all Secrets.
	Metadata client.Reader
	// Uncached reads them.
	Uncached client.Reader

	// mu guards known. It is not held while something is read.
	mu    sync.Mutex
	known map[certificateOf]*certificate
}

// certificateOf is a ChatCluster and the Secret with the certificate of its Redis, in its namespace.
type certificateOf struct {
	cluster types.NamespacedName
	secret  string
}

// certificate is what everyone may know of one.
type certificate struct {
	version string
	// digest is that of the certificate that servers should show.
	digest string
	// authorities vouch for it, in PEM, and former ones did before: servers show a certificate of theirs until they have read
	// this one. Neither is secret.
	authorities, former []byte
}

// config is for connections to servers that show it; nil without TLS. Each connection adds the name of its server.
func (c *certificate) config() *tls.Config {
	if len(c.authorities) == 0 {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, VerifyConnection: c.verify,
		InsecureSkipVerify: true, //nolint:gosec // verify does it, with a difference
	}
}

// alsoBy is the certificate, with others who may vouch for what servers still show.
func (c *certificate) alsoBy(stored []byte) *certificate {
	return &certificate{version: c.version, digest: c.digest, authorities: c.authorities, former: joinPEM(c.former, stored)}
}

// joinPEM joins certificates in PEM, each of them once.
func joinPEM(texts ...[]byte) []byte {
	var joined []byte
	for _, text := range texts {
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			one := pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})
			if block.Type == "CERTIFICATE" && !bytes.Contains(joined, one) {
				joined = append(joined, one...)
			}
		}
	}
	return joined
}

// redisAuthorities are those to be remembered: an operator that starts while servers still show a certificate of a former one must
// know that too. They are empty without TLS.
func (s *scope) redisAuthorities() []byte {
	certificate := s.facts.redisCertificate
	switch {
	case certificate == nil:
		return nil
	case s.redisShows():
		return joinPEM(certificate.authorities)
	}
	return joinPEM(certificate.authorities, certificate.former)
}

// redisShows tells whether all servers and Sentinels have been seen to show the certificate that they should.
func (s *scope) redisShows() bool {
	view := s.facts.replicated
	if view == nil {
		return s.certified
	}
	for _, server := range view.facts.Servers {
		if !server.Reached || server.Certificate != view.wanted.Certificate {
			return false
		}
	}
	for _, sentinel := range view.facts.Sentinels {
		if !sentinel.Reached || sentinel.Certificate != view.wanted.Certificate {
			return false
		}
	}
	return true
}

var errNoServerName = errors.New("the name of the server is not known, so that its certificate cannot be verified")

// verify does what package tls does, except that a certificate may have expired or be of an authority that the Secret had before:
// the operator alone can bring such a server to its next one, and must be able to connect for that.
func (c *certificate) verify(connection tls.ConnectionState) error {
	if connection.ServerName == "" {
		return errNoServerName
	}
	shown := connection.PeerCertificates[0]
	options := x509.VerifyOptions{
		DNSName: connection.ServerName, Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: time.Now(),
	}
	if shown.NotAfter.Before(options.CurrentTime) {
		options.CurrentTime = shown.NotAfter
	}
	options.Roots.AppendCertsFromPEM(c.authorities)
	options.Roots.AppendCertsFromPEM(c.former)
	for _, between := range connection.PeerCertificates[1:] {
		options.Intermediates.AddCert(between)
	}
	_, err := shown.Verify(options)
	return err
}

// find returns nil if the Secret is not there or has no certificates.
func (c *Certificates) find(ctx context.Context, of certificateOf) (*certificate, error) {
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(secretKind))
	err := c.Metadata.Get(ctx, types.NamespacedName{Namespace: of.cluster.Namespace, Name: of.secret}, metadata)
	if apierrors.IsNotFound(err) {
		c.drop(func(known certificateOf) bool { return known == of })
	}
	if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	version := string(metadata.UID) + "/" + metadata.ResourceVersion
	if known := c.remembered(of, version); known != nil {
		return known, nil
	}
	secret, err := get(ctx, c.Uncached, &corev1.Secret{}, of.cluster.Namespace, of.secret)
	if err != nil || secret == nil {
		return nil, err
	}
	read := readCertificate(secret.Data[corev1.TLSCertKey], secret.Data[authorityKey])
	if read == nil {
		return nil, nil
	}
	read.version = string(secret.UID) + "/" + secret.ResourceVersion
	c.remember(of, read)
	return read, nil
}

func readCertificate(chain, authorities []byte) *certificate {
	block, _ := pem.Decode(chain)
	if block == nil || !x509.NewCertPool().AppendCertsFromPEM(authorities) {
		return nil
	}
	sum := sha256.Sum256(block.Bytes)
	return &certificate{digest: hex.EncodeToString(sum[:]), authorities: authorities}
}

func (c *Certificates) remembered(of certificateOf, version string) *certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.known[of]; known != nil && known.version == version {
		return known
	}
	return nil
}

func (c *Certificates) remember(of certificateOf, read *certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[certificateOf]*certificate{}
	}
	if before := c.known[of]; before != nil {
		read.former = before.former
		if !bytes.Equal(before.authorities, read.authorities) {
			read.former = before.authorities
		}
	}
	c.known[of] = read
}

// settle forgets who vouched for certificates before, now that servers show the one that was read: the key of an authority that
// was given up may be in wrong hands. shown is nil while the Secret has none that can be read: then nothing is known.
func (c *Certificates) settle(of certificateOf, shown *certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.known[of]; known != nil && shown != nil && known.version == shown.version && known.former != nil {
		settled := *known // others may read it
		settled.former = nil
		c.known[of] = &settled
	}
}

// Forget drops what is known of the certificates of a ChatCluster that is gone.
func (c *Certificates) Forget(cluster types.NamespacedName) {
	c.drop(func(known certificateOf) bool { return known.cluster == cluster })
}

func (c *Certificates) drop(which func(certificateOf) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.known, func(of certificateOf, _ *certificate) bool { return which(of) })
}

// keepRedisCertificate makes the one Redis server show the certificate that its Secret has now, whatever may be wrong with the
// spec: hub servers do not connect to one that has expired.
func (r *Reconciler) keepRedisCertificate(ctx context.Context, s *scope) {
	certificate, set := s.facts.redisCertificate, s.facts.redisSets[children.RedisName(s.cluster.Name)]
	if s.wanted.Replicated() || certificate == nil || certificate.digest == "" || set == nil || set.Status.ReadyReplicas == 0 {
		return
	}
	secret, err := r.ownSecret(ctx, s, children.RedisAuthName(s.cluster.Name))
	if err != nil || secret == nil {
		return // the step that keeps the password says why
	}
	logins := children.ReadRedisAuth(s.cluster.Spec.Redis, secret).Accepted()
	switch shown, err := r.Redis.Certify(ctx, s.cluster, s.redisTLS(), logins, certificate.digest); {
	case err != nil:
		s.logger.Info("It was not seen which certificate Redis shows", "reason", err.Error())
		s.lookAgain(retryRefused)
	case !shown: // the kubelet takes its time until the server's files have it
		s.rotating = true
		s.lookAgain(certifyAgain)
	default:
		s.certified = true
	}
}

// certifyAgain is how often a server is told to read its certificate that has not shown it yet.
const certifyAgain = 5 * time.Second
