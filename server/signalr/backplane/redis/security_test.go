package redis

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/certificatetest"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// startSecure connects to a Redis that speaks TLS.
func startSecure(t testing.TB, redis *redistest.Server, files TLSFiles, change func(*Options)) *Backplane {
	t.Helper()
	parsed, err := ParseConnectionString(redis.Address + ",ssl=true")
	if err != nil {
		t.Fatal(err)
	}
	options := parsed.Options()
	options.TLSFiles = files
	if change != nil {
		change(&options)
	}
	plane := New(options)
	t.Cleanup(func() { _ = plane.Close() })
	return plane
}

func TestCertificatesAreReadForEachConnection(t *testing.T) {
	authority, stranger := certificatetest.NewAuthority(t), certificatetest.NewAuthority(t)
	redis := redistest.StartTLS(t, authority)
	own := authority.Issue(t, "hub.example.com")
	client := startSecureClient(t, redis, authority, own)
	var seen states
	receiver := newRecorder()
	hub := openHub(t, startSecure(t, redis, TLSFiles{authority.File, own.CertificateFile, own.KeyFile}, seen.observe), receiver)
	seen.expect(t, true)
	publish(t, hub, toAll, "secret")
	receiver.expect(t, toAll, "secret")

	// Another authority's certificate changes nothing for connections that live, and is of no use for new ones.
	stranger.Renew(t, own, "hub.example.com")
	publish(t, hub, toAll, "still")
	receiver.expect(t, toAll, "still")
	killConnections(t, client)
	if state := seen.expect(t, false); state.LastError == nil {
		t.Errorf("state %+v", state)
	}
	eventually(t, "the certificate is refused", func() bool {
		err := inside(hub).plane.State().LastError
		return err != nil && strings.Contains(err.Error(), "tls: ")
	})
	authority.Renew(t, own, "hub.example.com")
	seen.expect(t, true)
	publish(t, hub, toAll, "renewed")
	receiver.expect(t, toAll, "renewed")
}

func startSecureClient(t testing.TB, redis *redistest.Server, authority *certificatetest.Authority, own certificatetest.Files) *goredis.Client {
	t.Helper()
	// Read once: it keeps its certificate.
	settings, err := TLSFiles{authority.File, own.CertificateFile, own.KeyFile}.apply(ConnectionString{TLS: true}.tlsConfig())
	if err != nil {
		t.Fatal(err)
	}
	return redis.Client(t, goredis.Options{TLSConfig: settings})
}

func killConnections(t testing.TB, client *goredis.Client) {
	t.Helper()
	for _, kind := range []string{"normal", "pubsub"} {
		if err := client.ClientKillByFilter(testContext(t), "TYPE", kind, "SKIPME", "yes").Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAuthoritiesComeFromTheFile(t *testing.T) {
	authority, stranger := certificatetest.NewAuthority(t), certificatetest.NewAuthority(t)
	redis := redistest.StartTLS(t, authority, "--tls-auth-clients", "no")
	if err := startSecure(t, redis, TLSFiles{AuthorityFile: authority.File}, nil).Ready(testContext(t)); err != nil {
		t.Error(err)
	}
	expectProblem(t, startSecure(t, redis, TLSFiles{AuthorityFile: stranger.File}, nil), "certificate")
	expectProblem(t, startSecure(t, redis, TLSFiles{AuthorityFile: "/nonexistent"}, nil), "read the authorities for Redis")
	expectProblem(t, startSecure(t, redis, TLSFiles{}, nil), "certificate")
}

func TestWhatIsWrongWithCertificateFiles(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := certificatetest.NewAuthority(t)
	own := good.Issue(t, "a")
	for _, test := range []struct {
		files TLSFiles
		want  string
	}{
		{TLSFiles{}, ""},
		{TLSFiles{good.File, own.CertificateFile, own.KeyFile}, ""},
		{TLSFiles{AuthorityFile: empty}, "no certificate in PEM form"},
		{TLSFiles{AuthorityFile: empty + "x"}, "no such file"},
		{TLSFiles{CertificateFile: own.CertificateFile, KeyFile: empty}, "read the certificate for Redis"},
		{TLSFiles{CertificateFile: own.CertificateFile}, "read the certificate for Redis"},
	} {
		err := test.files.Check()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.files, err, test.want)
		}
	}
}

// minimalUser is what a user of Redis needs for the servers of one prefix, as the README has it.
const minimalUser = "resetchannels &App_* resetkeys ~App_chatcluster:* -@all " +
	"+publish +subscribe +unsubscribe +ping +get +set +info"

func TestMinimalUserIsEnough(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users.acl")
	users := "user default off\nuser app on >app-s3cret " + minimalUser + "\nuser admin on >admin ~* &* +@all\n"
	if err := os.WriteFile(file, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	redis := redistest.Start(t, "--aclfile", file)
	var log logBuffer
	inspected := make(chan []ServerInfo, 100)
	plane := startPlane(t, redis.Address, func(o *Options) {
		o.Redis.Username, o.Redis.Password, o.ChannelPrefix, o.Logger = "app", "app-s3cret", "App_", log.logger()
		o.Observer.ServersSeen = func(servers []ServerInfo) { inspected <- servers }
	})
	receiver := newRecorder()
	hub := openHub(t, plane, receiver)
	if err := hub.Subscribe(testContext(t), toGroup("g")); err != nil {
		t.Fatal(err)
	}
	publish(t, hub, toGroup("g"), "hello")
	receiver.expect(t, toGroup("g"), "hello")
	hub.Unsubscribe(toGroup("g"))
	options := plane.options
	key, err := ClusterKey(testContext(t), options)
	if err == nil {
		err = RestoreClusterKey(testContext(t), options, key)
	}
	if err != nil {
		t.Error(err)
	}
	if servers := receiveFrom(t, "how Redis is", inspected); len(servers) != 1 || servers[0].MemoryUsed == 0 {
		t.Errorf("Redis is %+v", servers)
	}
	connector := newConnector(plane.options)
	connector.lookout.look(testContext(t))
	admin := redis.Client(t, goredis.Options{Username: "admin", Password: "admin"})
	refusals, err := admin.Do(testContext(t), "ACL", "LOG").Slice()
	// Redis is told which library calls, if the user may.
	refusals = withoutSetInfo(refusals)
	if err != nil || len(refusals) != 0 {
		t.Errorf("refused: %v, %v", refusals, err)
	}
	if strings.Contains(log.String(), "level=WARN") {
		t.Error(log.String())
	}
}

func withoutSetInfo(refusals []any) (others []any) {
	for _, refusal := range refusals {
		if !strings.Contains(fmt.Sprint(refusal), "client|setinfo") {
			others = append(others, refusal)
		}
	}
	return others
}

// A password is changed on both sides without a restart. Connections that live stay; the order of the two changes does
// not matter.
func TestPasswordChangesWithoutRestart(t *testing.T) {
	redis := redistest.Start(t)
	client := redis.Client(t, goredis.Options{})
	setUser := func(change string) {
		t.Helper()
		if err := client.Do(testContext(t), "ACL", "SETUSER", "app", "on", change, "~*", "&*", "+@all").Err(); err != nil {
			t.Fatal(err)
		}
	}
	setUser(">first")
	var password atomic.Value
	password.Store("first")
	var seen states
	receiver := newRecorder()
	hub := openHub(t, startPlane(t, redis.Address, func(o *Options) {
		o.Redis.CredentialsProvider = func() (string, string) { return "app", fmt.Sprint(password.Load()) }
		seen.observe(o)
	}), receiver)
	if state := seen.expect(t, true); state.Generation != 1 {
		t.Errorf("state %+v", state)
	}

	setUser(">second")
	password.Store("second")
	setUser("<first")
	publish(t, hub, toAll, "undisturbed")
	receiver.expect(t, toAll, "undisturbed")
	if state := inside(hub).plane.State(); !state.Connected || state.Generation != 1 {
		t.Errorf("state %+v", state)
	}
	killConnections(t, client)
	seen.expect(t, true)
	publish(t, hub, toAll, "second")
	receiver.expect(t, toAll, "second")

	setUser("resetpass")
	setUser(">third")
	killConnections(t, client)
	expectProblem(t, inside(hub).plane, "WRONGPASS")
	password.Store("third")
	seen.expect(t, true)
	publish(t, hub, toAll, "third")
	receiver.expect(t, toAll, "third")
}
