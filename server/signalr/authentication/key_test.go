package authentication

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func block(kind string, content []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
}

func certificate(t *testing.T) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}}
	return must(x509.CreateCertificate(rand.Reader, template, template, &ecKey().PublicKey, ecKey()))
}

func write(t *testing.T, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestKeyFilesAreRead(t *testing.T) {
	rsaPEM, ecPEM := publicPEM(&rsaKey().PublicKey), publicPEM(&ecKey().PublicKey)
	for _, test := range []struct {
		name       string
		content    []byte
		algorithms string
	}{
		{"an RSA key", rsaPEM, "RS256"},
		{"an RSA key of PKCS #1", block(blockRSAPublicKey, x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)), "RS256"},
		{"a P-256 key", ecPEM, "ES256"},
		{"a certificate", block(blockCertificate, certificate(t)), "ES256"},
		{"an old and a new key with words between", joined(ecPEM, []byte("the old one:\n"), rsaPEM, []byte("\nend\n")), "ES256 RS256"},
		{"lines of Windows", bytes.ReplaceAll(rsaPEM, []byte("\n"), []byte("\r\n")), "RS256"},
	} {
		t.Run(test.name, func(t *testing.T) {
			keys, err := ReadKeyFile(write(t, test.content))
			if err != nil {
				t.Fatal(err)
			}
			var algorithms []string
			for _, key := range keys {
				algorithms = append(algorithms, key.Algorithm())
			}
			if got := strings.Join(algorithms, " "); got != test.algorithms {
				t.Errorf("keys for %s, want %s", got, test.algorithms)
			}
		})
	}
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestBadKeyFilesGiveOneLineThatNamesTheFile(t *testing.T) {
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := publicPEM(&ecKey().PublicKey)
	private := block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(ecKey())))
	for _, test := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"empty", nil, "has no key in PEM"},
		{"text", []byte("a secret that would be long enough for HS256"), "has no key in PEM"},
		{"DER", must(x509.MarshalPKIXPublicKey(&ecKey().PublicKey)), "has no key in PEM"},
		{"cut short", good[:len(good)/2], "has a damaged PEM block (number 1)"},
		{"cut short before a good one", joined(good[:len(good)/2], []byte("\n"), good), "has a damaged PEM block (number 1)"},
		{"cut short after a good one", joined(good, good[:len(good)/2]), "has a damaged PEM block (number 2)"},
		{"damaged inside", bytes.Replace(good, []byte("MF"), []byte("AA"), 1), "that cannot be used"},
		{"a private key", private, "it is a private key"},
		{"a private key beside the public one", joined(good, private), "it is a private key"},
		{"parameters", block("EC PARAMETERS", []byte{1}), "allowed are PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE"},
		{"another curve", publicPEM(&p384.PublicKey), "is on the curve P-384"},
		{"another kind", publicPEM(edwards), "is a key of type ed25519.PublicKey"},
		{"too large", bytes.Repeat([]byte("x"), maximumKeyFile+1), "has more than 256 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := write(t, test.content)
			_, err := ReadKeyFile(file)
			if err == nil {
				t.Fatal("it was accepted")
			}
			text := err.Error()
			if !strings.Contains(text, test.want) || !strings.Contains(text, file) || strings.Contains(text, "\n") {
				t.Errorf("the error is %q, want one line with %q and the file", text, test.want)
			}
		})
	}
	for _, read := range []func(string) error{
		func(name string) error { _, err := ReadKeyFile(name); return err },
		func(name string) error { _, err := ReadSecretFile(name); return err },
	} {
		for _, name := range []string{"/dev/zero", filepath.Join(t.TempDir(), "absent"), t.TempDir()} {
			if err := read(name); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s gives %v, want an error that names it", name, err)
			}
		}
	}
}

func TestShortRSAKeysAreRefused(t *testing.T) {
	modulus := new(big.Int).Lsh(big.NewInt(1), 1023)
	if _, err := PublicKey(&rsa.PublicKey{N: modulus, E: 65537}); err == nil || !strings.Contains(err.Error(), "1024 bits") {
		t.Errorf("got %v", err)
	}
}

func TestSecrets(t *testing.T) {
	der := must(x509.MarshalPKIXPublicKey(&rsaKey().PublicKey))
	lines := strings.Split(strings.TrimSpace(string(publicPEM(&rsaKey().PublicKey))), "\n")
	for _, test := range []struct {
		name, secret, want string
	}{
		{"long enough", strings.Repeat("s", minimumSecretSize), ""},
		{"too short", strings.Repeat("s", minimumSecretSize-1), "too short"},
		{"empty", "", "too short"},
		{"random bytes in base64", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1, 2, 3}, 20)), ""},
		{"PEM", string(publicPEM(&rsaKey().PublicKey)), "is a public key"},
		{"PEM without its first and last line", strings.Join(lines[1:len(lines)-1], "\n"), "is a public key"},
		{"DER", string(der), "is a public key"},
		{"PKCS #1", string(x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)), "is a public key"},
		{"a certificate", string(certificate(t)), "is a public key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := write(t, []byte(test.secret+"\n"))
			_, err := SecretKey([]byte(test.secret))
			_, fileErr := ReadSecretFile(file)
			for _, err := range []error{err, fileErr} {
				if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
			}
			if fileErr != nil && !strings.Contains(fileErr.Error(), file) {
				t.Errorf("%v does not name the file", fileErr)
			}
		})
	}
}

func TestKeysDoNotShowInText(t *testing.T) {
	key := must(SecretKey([]byte(testSecret)))
	for _, text := range []string{fmt.Sprint(key), fmt.Sprintf("%+v", key), fmt.Sprintf("%#v", key), fmt.Sprintf("%+v", JWTOptions{Keys: []Key{key}})} {
		if strings.Contains(text, "tests only") || strings.Contains(text, "116") || !strings.Contains(text, "key for HS256") {
			t.Errorf("a key shows as %s", text)
		}
	}
}

func TestKeysOfAText(t *testing.T) {
	secret, other := strings.Repeat("s", minimumSecretSize), strings.Repeat("o", minimumSecretSize)
	rsaPEM, ecPEM := publicPEM(&rsaKey().PublicKey), publicPEM(&ecKey().PublicKey)
	lines := strings.Split(strings.TrimSpace(string(rsaPEM)), "\n")
	for _, test := range []struct {
		name, text string
		algorithms string
		problem    string
	}{
		{name: "a secret", text: secret, algorithms: "HS256"},
		{name: "a secret and the end of its line", text: secret + "\n", algorithms: "HS256"},
		{name: "a new secret and the old one", text: secret + "\r\n\r\n" + other, algorithms: "HS256 HS256"},
		{name: "arbitrary bytes with a line feed", text: "\x00\xff\n" + secret, algorithms: "HS256"},
		{name: "PEM", text: string(rsaPEM) + string(ecPEM), algorithms: "RS256 ES256"},
		{name: "a short one beside a good one", text: secret + "\nshort", problem: "is too short"},
		{name: "PEM without its first and last line", text: strings.Join(lines[1:len(lines)-1], "\n"), problem: "is a public key"},
		{name: "PEM that is damaged", text: string(rsaPEM[:100]), problem: "damaged PEM"},
		{name: "nothing", text: "\n", problem: "is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			keys, err := KeysOf([]byte(test.text))
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Errorf("got %v, want %q", err, test.problem)
				}
				return
			}
			var algorithms []string
			for _, key := range keys {
				algorithms = append(algorithms, key.Algorithm())
			}
			if got := strings.Join(algorithms, " "); err != nil || got != test.algorithms {
				t.Errorf("keys for %s, %v, want %s", got, err, test.algorithms)
			}
		})
	}
}
