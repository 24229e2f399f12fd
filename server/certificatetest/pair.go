package certificatetest

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

// Pair is a certificate and its key, both in PEM.
type Pair struct{ Certificate, Key []byte }

// Files are the paths of a Pair.
type Files struct{ CertificateFile, KeyFile string }

// SelfSigned makes a certificate that only itself vouches for. The first name is its common name, too.
func SelfSigned(t testing.TB, names ...string) Pair {
	t.Helper()
	template, key := newTemplate(time.Now().Add(time.Hour), names), newKey(t)
	return sign(t, template, template, key, key)
}

// Files writes the pair into a folder that ends with the test.
func (p Pair) Files(t testing.TB) Files {
	t.Helper()
	folder := t.TempDir()
	files := Files{CertificateFile: filepath.Join(folder, "certificate.pem"), KeyFile: filepath.Join(folder, "key.pem")}
	files.replace(t, p)
	return files
}

// Parse reads the certificate back.
func (p Pair) Parse(t testing.TB) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(p.Certificate)
	certificate, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	return certificate
}

func (f Files) replace(t testing.TB, pair Pair) {
	t.Helper()
	replace(t, f.CertificateFile, pair.Certificate)
	replace(t, f.KeyFile, pair.Key)
}

// replace replaces file as a whole: a reader never sees half of it.
func replace(t testing.TB, file string, contents []byte) {
	t.Helper()
	fresh := file + ".new"
	must(t, os.WriteFile(fresh, contents, 0o600))
	must(t, os.Rename(fresh, file))
}

func newTemplate(end time.Time, names []string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // rand.Reader never fails
	template := &x509.Certificate{
		SerialNumber: serial,
		NotBefore:    end.Add(-2 * time.Hour),
		NotAfter:     end,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if len(names) > 0 {
		template.Subject = pkix.Name{CommonName: names[0]}
	}
	for _, name := range names {
		if address := net.ParseIP(name); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return template
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

// sign makes the certificate of template for key, vouched for by the issuer.
func sign(t testing.TB, template, issuer *x509.Certificate, key, issuerKey *ecdsa.PrivateKey) Pair {
	t.Helper()
	certificate, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, issuerKey)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
