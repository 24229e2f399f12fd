package wire_test

import (
	"crypto/tls"
	"encoding/pem"
	"os"
	"testing"

	"github.com/chatcluster/chatcluster/controllers/redisform"
	"github.com/chatcluster/chatcluster/controllers/redisform/wire"
	"github.com/chatcluster/chatcluster/server/certificatetest"
)

// TestClusterCertificates forms a Cluster that speaks nothing but TLS, and exchanges its certificate while it runs.
func TestClusterCertificates(t *testing.T) {
	t.Parallel()
	f := newClusterForm(t, true)
	certificate := f.encrypt()
	f.startCluster()
	before := f.runs()

	f.renew(certificate)
	f.settle("another certificate")
	f.checkServersTookIt(before)
}

// TestSentinelCertificates does the same with a primary, replicas and Sentinels. Sentinels start again for it, one at a time, and
// fail over with the new one.
func TestSentinelCertificates(t *testing.T) {
	t.Parallel()
	f := newSentinelForm(t, true)
	certificate := f.encrypt()
	f.start()
	before := f.runs()

	f.renew(certificate)
	for _, name := range f.all(redisform.SentinelKind) {
		f.member(name).Outdated = true
	}
	f.settle("another certificate")
	f.checkServersTookIt(before)
	for _, sentinel := range f.facts.Sentinels {
		if sentinel.Certificate != f.wanted.Certificate {
			t.Errorf("%s shows the old certificate", sentinel.Name)
		}
	}
	first := f.out.Status.Primary
	f.processes[first].Kill()
	f.await("the Sentinels fail over", func() bool { return f.out.Status.Serving && f.out.Status.Primary != first })
}

// encrypt lets all members that are started from now on speak nothing but TLS, with one certificate.
func (f *form) encrypt() certificatetest.Files {
	f.t.Helper()
	f.authority = certificatetest.NewAuthority(f.t)
	certificate := f.authority.Issue(f.t, "127.0.0.1")
	f.hands.TLS = &tls.Config{RootCAs: f.authority.Pool, MinVersion: tls.VersionTLS12}
	f.wanted.Certificate = shown(f.t, certificate)
	lines := []string{
		"tls-cert-file " + certificate.CertificateFile, "tls-key-file " + certificate.KeyFile, "tls-ca-cert-file " + f.authority.File,
		"tls-auth-clients no",
	}
	f.sentinelLines = lines
	f.serverOptions = append(options(lines), "--tls-replication", "yes")
	if f.wanted.Form == redisform.Cluster {
		f.serverOptions = append(f.serverOptions, "--tls-cluster", "yes")
	}
	return certificate
}

// renew puts another certificate into the files.
func (f *form) renew(certificate certificatetest.Files) {
	f.t.Helper()
	f.authority.Renew(f.t, certificate, "127.0.0.1")
	f.wanted.Certificate = shown(f.t, certificate)
}

// checkServersTookIt checks that all servers show the certificate that is wanted, and are the same runs as before.
func (f *form) checkServersTookIt(before map[string]string) {
	f.t.Helper()
	for _, server := range f.facts.Servers {
		if server.Certificate != f.wanted.Certificate {
			f.t.Errorf("%s shows the old certificate", server.Name)
		}
		if server.RunID != before[server.Name] {
			f.t.Errorf("%s has started again", server.Name)
		}
	}
}

// shown is the digest of the certificate in a file.
func shown(t testing.TB, certificate certificatetest.Files) string {
	t.Helper()
	contents, err := os.ReadFile(certificate.CertificateFile)
	must(t, err)
	block, _ := pem.Decode(contents)
	return wire.CertificateDigest(block.Bytes)
}

// runs are the runs of all servers.
func (f *form) runs() map[string]string {
	all := make(map[string]string)
	for _, server := range f.facts.Servers {
		all[server.Name] = server.RunID
	}
	return all
}
