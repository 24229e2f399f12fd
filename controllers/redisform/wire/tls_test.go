package wire_test

import (
	"crypto/tls"
	"encoding/pem"
	"os"
	"strconv"
	"testing"

	"github.com/chatcluster/chatcluster/controllers/redisform"
	"github.com/chatcluster/chatcluster/controllers/redisform/wire"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// TestClusterCertificates forms a Cluster that speaks nothing but TLS, and exchanges its certificate while it runs.
func TestClusterCertificates(t *testing.T) {
	t.Parallel()
	f := newClusterForm(t, true)
	authority := redistest.NewAuthority(t)
	certificate := authority.Issue(t, "127.0.0.1")
	f.hands.TLS = &tls.Config{RootCAs: authority.Pool, MinVersion: tls.VersionTLS12}
	f.wanted.Certificate = shown(t, certificate)
	for range 6 {
		bus := redistest.FreePort(t)
		process := redistest.StartTLS(t, authority, append(options(redisform.ServerDirectives(f.wanted.Form, 1, f.wanted.Timing)),
			"--tls-cert-file", certificate.CertificateFile, "--tls-key-file", certificate.KeyFile, "--tls-auth-clients", "no",
			"--tls-replication", "yes", "--tls-cluster", "yes", "--cluster-port", strconv.Itoa(bus),
			"--cluster-announce-hostname", "127.0.0.1", "--cluster-announce-ip", "127.0.0.1")...)
		f.add(redisform.ServerKind, process, process.Address, process.Port).BusPort = bus
	}
	f.settle("form")
	before := runs(f)

	authority.Renew(t, certificate, "127.0.0.1")
	f.wanted.Certificate = shown(t, certificate)
	f.settle("another certificate")
	for _, server := range f.facts.Servers {
		if server.Certificate != f.wanted.Certificate {
			t.Errorf("%s shows the old certificate", server.Name)
		}
		if server.RunID != before[server.Name] {
			t.Errorf("%s has started again", server.Name)
		}
	}
}

// shown is the digest of the certificate in a file.
func shown(t testing.TB, certificate redistest.Certificate) string {
	t.Helper()
	contents, err := os.ReadFile(certificate.CertificateFile)
	must(t, err)
	block, _ := pem.Decode(contents)
	return wire.CertificateDigest(block.Bytes)
}

// runs are the runs of all servers.
func runs(f *form) map[string]string {
	all := make(map[string]string)
	for _, server := range f.facts.Servers {
		all[server.Name] = server.RunID
	}
	return all
}
