package cluster

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// identityPurpose separates the servers' identity from everything else that the cluster key is used for.
const identityPurpose = "chatcluster peer identity 1"

// identity is what the servers of a cluster prove to each other with mutual TLS: all of them have the private key, which
// follows from the cluster key, and nobody else has. Names and dates in the certificate mean nothing.
type identity struct {
	certificate tls.Certificate
	public      ed25519.PublicKey
}

func newIdentity(clusterKey []byte) (*identity, error) {
	seed, err := hkdf.Key(sha256.New, clusterKey, nil, identityPurpose, ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive the servers' identity: %w", err)
	}
	private := ed25519.NewKeyFromSeed(seed)
	public, _ := private.Public().(ed25519.PublicKey) // it is always one
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "chatcluster hub server"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC), // "no date" (RFC 5280, section 4.1.2.5)
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, fmt.Errorf("make the servers' certificate: %w", err)
	}
	return &identity{
		certificate: tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: private},
		public:      public,
	}, nil
}

// errStranger is the error of a TLS connection whose other end does not have the cluster key.
var errStranger = errors.New("the other end is no server of this cluster: its key is another one")

// PeerTLS returns the TLS configuration with which servers of a cluster talk to each other, for both ends. It follows the
// keys: whoever has the current one or any of the others is let in.
func (k *Keys) PeerTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{"http/1.1"},
		ClientAuth: tls.RequireAnyClientCert,
		// Names and issuers prove nothing here, the key does: VerifyConnection looks at it.
		InsecureSkipVerify: true, //nolint:gosec // see above
		VerifyConnection:   k.verifyPeer,
		GetCertificate:     func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.certificate(), nil },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return k.certificate(), nil
		},
	}
}

func (k *Keys) certificate() *tls.Certificate { return &k.current().identities[0].certificate }

func (k *Keys) verifyPeer(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errStranger
	}
	public, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return errStranger
	}
	for _, identity := range k.current().identities {
		if identity.public.Equal(public) {
			return nil
		}
	}
	return errStranger
}
