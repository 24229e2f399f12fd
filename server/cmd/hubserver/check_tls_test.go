package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certify writes a certificate that nobody signed, for these names and addresses, and its key, and returns their paths.
func certify(t *testing.T, names []string, addresses ...net.IP) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names, IPAddresses: addresses,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	public, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	write := func(name, kind string, content []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("tls.crt", "CERTIFICATE", public), write("tls.key", "PRIVATE KEY", secret)
}

func TestCheckTrustsTheCertificateThatItIsGivenWhateverTheAddress(t *testing.T) {
	other, _ := certify(t, []string{"chat.example.com"})
	for kind, of := range map[string]struct {
		names     []string
		addresses []net.IP
	}{
		"name":     {names: []string{"chat.example.com"}},
		"wildcard": {names: []string{"*.example.com"}},
		"address":  {addresses: []net.IP{net.IPv4(192, 0, 2, 1)}},
	} {
		t.Run(kind, func(t *testing.T) {
			certificate, key := certify(t, of.names, of.addresses...)
			server := run(t, nil, "--urls", "https://127.0.0.1:0", "--tls-certificate-file", certificate, "--tls-key-file", key)
			for _, attempt := range []struct {
				args []string
				want string
			}{
				{[]string{"--certificate", certificate}, "a message came through"},
				{[]string{"--certificate", other, "--timeout", "1s"}, "tls: failed to verify certificate"},
				{[]string{"--timeout", "1s"}, "tls: failed to verify certificate"},
			} {
				output, _ := command(t, nil, append([]string{"check", server.address + "/chatHub"}, attempt.args...)...).CombinedOutput()
				if !strings.Contains(string(output), attempt.want) {
					t.Errorf("check %q says %q, want %q", attempt.args, output, attempt.want)
				}
			}
		})
	}
}

func TestCheckSaysWhatIsWrongWithACertificate(t *testing.T) {
	nameless, key := certify(t, nil)
	for file, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "reading the certificate",
		key:                                "it does not begin with a certificate in PEM",
		nameless:                           "it names no host",
	} {
		err := check(t.Context(), []string{"https://127.0.0.1:1/chatHub", "--timeout", "10ms", "--certificate", file}, t.Output())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("check with %s gives %v, want it to say %q", filepath.Base(file), err, want)
		}
	}
}
