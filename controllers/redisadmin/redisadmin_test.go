package redisadmin_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/redisadmin"
	"github.com/chatcluster/chatcluster/controllers/redisform/wire"
	"github.com/chatcluster/chatcluster/controllers/rotation"
	"github.com/chatcluster/chatcluster/controllers/sampletest"
	"github.com/chatcluster/chatcluster/server/certificatetest"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// startRedis runs a redis-server with the files that the operator makes for it, and returns its address. folder has its files, those
// of its certificate too, and secure is how to connect with TLS; nil without.
func startRedis(t *testing.T, cluster *v1alpha1.ChatCluster, state rotation.Secret, folder string, secure *tls.Config) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed: the operator's configuration of Redis is not tried")
	}
	port := redistest.FreePort(t)
	configuration := children.RedisConfigMap(children.Wanted{Cluster: cluster}).Data["redis.conf"]
	configuration = strings.NewReplacer("/chatcluster/auth", folder, "/chatcluster/tls", folder, "dir /data", "dir "+folder,
		"port 6379", fmt.Sprint("port ", port)).Replace(configuration)
	write(t, filepath.Join(folder, "redis.conf"), configuration)
	write(t, filepath.Join(folder, "users.acl"), string(children.RedisAuth(cluster, state).Data["users.acl"]))
	var output strings.Builder
	command := exec.Command(program, filepath.Join(folder, "redis.conf"))
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	probe := redis.NewClient(&redis.Options{Addr: address, Username: children.ProbeUser, Password: "-", TLSConfig: secure, MaxRetries: -1})
	t.Cleanup(func() { _ = probe.Close() })
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := probe.Do(t.Context(), "PING").Err()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the user of the probes gets no answer: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := probe.Do(t.Context(), "GET", "x").Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("the user of the probes may do more than ping: %v", err)
	}
	return address
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// opens tells whether a password is good.
func opens(t *testing.T, address, password string) bool {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: address, Password: password, MaxRetries: -1})
	defer func() { _ = client.Close() }()
	return client.Set(context.Background(), "key", "value", 0).Err() == nil
}

func TestRedisTakesEachConfiguration(t *testing.T) {
	for _, sample := range []string{"minimal.yaml", "demo.yaml", "streams.yaml"} {
		t.Run(sample, func(t *testing.T) {
			address := startRedis(t, sampletest.Cluster(t, sample), rotation.Secret{Current: "one"}, t.TempDir(), nil)
			if !opens(t, address, "one") || opens(t, address, "two") || opens(t, address, "") {
				t.Error("the passwords are not those of the Secret")
			}
		})
	}
}

func TestPasswordsAreExchangedWhileRedisRuns(t *testing.T) {
	cluster := sampletest.Cluster(t, "minimal.yaml")
	address := startRedis(t, cluster, rotation.Secret{Current: "one"}, t.TempDir(), nil)
	teller := redisadmin.Teller{Address: func(*v1alpha1.ChatCluster) string { return address }}
	open := redis.NewClient(&redis.Options{Addr: address, Password: "one", PoolSize: 1})
	t.Cleanup(func() { _ = open.Close() })
	subscription := open.Subscribe(t.Context(), "channel")
	if _, err := subscription.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		tell      []string
		good, bad string
	}{
		{[]string{"one", "two"}, "one two", "three"},
		{[]string{"one", "two"}, "one two", "three"}, // told twice
		{[]string{"two"}, "two", "one"},
	} {
		if err := teller.TellPasswords(t.Context(), cluster, nil, step.tell, step.tell); err != nil {
			t.Fatal(err)
		}
		for _, password := range strings.Fields(step.good) {
			if !opens(t, address, password) {
				t.Errorf("told %v, %s is not good", step.tell, password)
			}
		}
		if opens(t, address, step.bad) {
			t.Errorf("told %v, %s is good", step.tell, step.bad)
		}
	}
	// Those who are connected stay so.
	publisher := redis.NewClient(&redis.Options{Addr: address, Password: "two"})
	t.Cleanup(func() { _ = publisher.Close() })
	if err := publisher.Publish(t.Context(), "channel", "hello").Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if message, err := subscription.ReceiveMessage(ctx); err != nil || message.Payload != "hello" {
		t.Errorf("an open connection got %v, %v", message, err)
	}
	if err := teller.TellPasswords(t.Context(), cluster, nil, []string{"unknown"}, []string{"two"}); err == nil {
		t.Error("Redis listened to somebody without a password")
	}
}

// A pod that starts again early in an exchange reads the file that its kubelet has brought it before.
func TestARedisThatHasMissedAnExchangeIsToldWithItsLastPassword(t *testing.T) {
	cluster := sampletest.Cluster(t, "minimal.yaml")
	address := startRedis(t, cluster, rotation.Secret{Current: "last"}, t.TempDir(), nil)
	teller := redisadmin.Teller{Address: func(*v1alpha1.ChatCluster) string { return address }}
	if err := teller.TellPasswords(t.Context(), cluster, nil, []string{"next", "last"}, []string{"next"}); err != nil {
		t.Fatal(err)
	}
	if !opens(t, address, "next") || opens(t, address, "last") {
		t.Error("the next password is not the only good one")
	}
}

func TestACertificateIsExchangedWhileRedisRuns(t *testing.T) {
	cluster := sampletest.Cluster(t, "minimal.yaml")
	cluster.Spec.Redis.TLS = &v1alpha1.RedisTLSSpec{SecretName: "redis-tls"}
	authority, folder := certificatetest.NewAuthority(t), t.TempDir()
	secure := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authority.Pool, ServerName: "minimal-redis"}
	first := install(t, folder, authority)
	address := startRedis(t, cluster, rotation.Secret{Current: "one"}, folder, secure)
	teller := redisadmin.Teller{Address: func(*v1alpha1.ChatCluster) string { return address }}
	certify := func(digest string) bool {
		t.Helper()
		// The first password is not good any more.
		shown, err := teller.Certify(t.Context(), cluster, secure, []string{"two", "one"}, digest)
		if err != nil {
			t.Fatal(err)
		}
		return shown
	}
	if !certify(first) {
		t.Error("Redis does not show the certificate with which it was started")
	}
	second := install(t, folder, authority)
	if certify(second) {
		t.Error("Redis is said to show what it has not read")
	}
	if !certify(second) || certify(first) {
		t.Error("Redis does not show the certificate that is in its files now")
	}
	if err := teller.TellPasswords(t.Context(), cluster, secure, []string{"one"}, []string{"one", "two"}); err != nil {
		t.Error(err)
	}
	foreign := secure.Clone()
	foreign.ServerName = "somebody-else"
	if _, err := teller.Certify(t.Context(), cluster, foreign, []string{"one"}, second); err == nil {
		t.Error("a server with the certificate of another name was given a password")
	}
}

// install puts another certificate into the files that Redis reads, and returns its digest.
func install(t *testing.T, folder string, authority *certificatetest.Authority) string {
	t.Helper()
	issued := authority.Issue(t, "minimal-redis")
	for name, from := range map[string]string{"tls.crt": issued.CertificateFile, "tls.key": issued.KeyFile, "ca.crt": authority.File} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, name), string(content))
	}
	pair, err := tls.LoadX509KeyPair(issued.CertificateFile, issued.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return wire.CertificateDigest(pair.Certificate[0])
}

func TestARedisThatIsAwayIsAnError(t *testing.T) {
	teller := redisadmin.Teller{Address: func(*v1alpha1.ChatCluster) string { return "127.0.0.1:1" }}
	secret := []string{"secret-password"}
	err := teller.TellPasswords(t.Context(), sampletest.Cluster(t, "minimal.yaml"), nil, secret, secret)
	if err == nil || strings.Contains(err.Error(), "secret-password") {
		t.Errorf("the error is %v", err)
	}
	shown, err := teller.Certify(t.Context(), sampletest.Cluster(t, "minimal.yaml"), &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "x"},
		secret, "digest")
	if shown || err == nil || strings.Contains(err.Error(), "secret-password") {
		t.Errorf("shown %t, the error is %v", shown, err)
	}
}
