package redis

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/certificatetest"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

func TestEncryptedConnection(t *testing.T) {
	authority := certificatetest.NewAuthority(t)
	certificate := authority.Issue(t, "redis.example.com")
	port := strconv.Itoa(redistest.FreePort(t))
	address := net.JoinHostPort("127.0.0.1", port)
	redistest.Start(t, "--tls-port", port, "--tls-cert-file", certificate.CertificateFile, "--tls-key-file", certificate.KeyFile,
		"--tls-auth-clients", "no", "--requirepass", "secret")
	parsed, err := ParseConnectionString(address + ",ssl=true,sslHost=redis.example.com,password=secret")
	if err != nil {
		t.Fatal(err)
	}
	options := parsed.Options()
	options.Redis.TLSConfig.RootCAs = authority.Pool
	plane := New(options)
	t.Cleanup(func() { _ = plane.Close() })
	receiver := newRecorder()
	hub := openHub(t, plane, receiver)
	text := strings.Repeat("x", 100_000)
	publish(t, hub, toAll, text)
	receiver.expect(t, toAll, text)

	unknown := New(parsed.Options())
	t.Cleanup(func() { _ = unknown.Close() })
	eventually(t, "an unknown certificate is refused", func() bool {
		err := unknown.State().LastError
		return err != nil && strings.Contains(err.Error(), "certificate")
	})
	other := parsed
	other.TLSHost = "other.example.com"
	options = other.Options()
	options.Redis.TLSConfig.RootCAs = authority.Pool
	wrongName := New(options)
	t.Cleanup(func() { _ = wrongName.Close() })
	eventually(t, "another name is refused", func() bool {
		err := wrongName.State().LastError
		return err != nil && strings.Contains(err.Error(), "other.example.com")
	})
}
