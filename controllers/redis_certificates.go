package controllers

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	known map[types.NamespacedName]*certificate
}

// certificate is what everyone may know of one.
type certificate struct {
	version string
	// digest is that of the certificate that servers should show.
	digest string
	// authorities vouch for it.
	authorities *x509.CertPool
}

// config is for connections to servers that show it; nil without TLS. Each connection adds the name of its server.
func (c *certificate) config() *tls.Config {
	if c.authorities == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.authorities}
}

// find returns nil if the Secret is not there or has no certificates.
func (c *Certificates) find(ctx context.Context, namespace, name string) (*certificate, error) {
	key := types.NamespacedName{Namespace: namespace, Name: name}
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(secretKind))
	err := c.Metadata.Get(ctx, key, metadata)
	if apierrors.IsNotFound(err) {
		c.forget(key)
	}
	if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	version := string(metadata.UID) + "/" + metadata.ResourceVersion
	if known := c.remembered(key, version); known != nil {
		return known, nil
	}
	secret, err := get(ctx, c.Uncached, &corev1.Secret{}, namespace, name)
	if err != nil || secret == nil {
		return nil, err
	}
	read := readCertificate(secret.Data[corev1.TLSCertKey], secret.Data[authorityKey])
	if read == nil {
		return nil, nil
	}
	read.version = string(secret.UID) + "/" + secret.ResourceVersion
	c.remember(key, read)
	return read, nil
}

func readCertificate(chain, authorities []byte) *certificate {
	block, _ := pem.Decode(chain)
	pool := x509.NewCertPool()
	if block == nil || !pool.AppendCertsFromPEM(authorities) {
		return nil
	}
	sum := sha256.Sum256(block.Bytes)
	return &certificate{digest: hex.EncodeToString(sum[:]), authorities: pool}
}

func (c *Certificates) remembered(key types.NamespacedName, version string) *certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.known[key]; known != nil && known.version == version {
		return known
	}
	return nil
}

func (c *Certificates) remember(key types.NamespacedName, read *certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[types.NamespacedName]*certificate{}
	}
	c.known[key] = read
}

func (c *Certificates) forget(key types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, key)
}
