package host

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
)

// watched is one group of values in files of its own.
type watched struct {
	t       *testing.T
	folder  string
	reloads reloads
	log     logBuffer
	counts  []string
}

func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{t: t, folder: t.TempDir()}
	w.reloads = reloads{logger: slog.New(slog.NewTextHandler(&w.log, nil)), counted: func(key string, used bool) {
		w.counts = append(w.counts, key+map[bool]string{true: " used", false: " refused"}[used])
	}}
	return w
}

// put writes a file as Kubernetes does: by renaming.
func (w *watched) put(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.folder, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		w.t.Fatal(err)
	}
	return path
}

func TestValuesAreTakenOverWhenTheirFilesChange(t *testing.T) {
	w := watch(t)
	first, second := w.put("first", "one\n"), filepath.Join(w.folder, "second")
	var got []string
	refuse := false
	w.reloads.watch(func(texts []string) error {
		got = append(got, strings.Join(texts, " "))
		if refuse {
			return errors.New("not this one")
		}
		return nil
	}, value{key: "First", text: "one", file: first}, value{key: "Second", file: second, optional: true}, value{key: "Third", text: "three"})
	steps := []struct {
		change func()
		use    string
		count  string
	}{
		{func() {}, "", ""},
		{func() { w.put("first", "one") }, "", ""},
		{func() { w.put("first", "uno\n") }, "uno  three", "First used"},
		{func() { w.put("second", "due") }, "uno due three", "Second used"},
		{func() { w.put("first", "eins"); w.put("second", "zwei") }, "eins zwei three", "First, Second used"},
		{func() { _ = os.Remove(first) }, "", ""},
		{func() { _ = os.Remove(second) }, "eins  three", "Second used"},
		{func() { refuse = true; w.put("first", "bad") }, "bad  three", "First refused"},
		{func() {}, "", ""}, // what was refused is not tried again
		{func() { refuse = false; w.put("first", "eins") }, "eins  three", "First used"},
	}
	for number, step := range steps {
		got, w.counts = nil, nil
		step.change()
		w.reloads.look()
		if strings.Join(got, "|") != step.use || strings.Join(w.counts, "|") != step.count {
			t.Errorf("step %d: used %q, counted %q, want %q, %q", number, got, w.counts, step.use, step.count)
		}
	}
	if log := w.log.String(); strings.Contains(log, "eins") || strings.Contains(log, "bad") || !strings.Contains(log, "not this one") {
		t.Errorf("log: %s", log)
	}
}

func TestClusterKeysAreExchangedWithoutARestart(t *testing.T) {
	const old, next = "the old key of 32 bytes or more.", "the next key of 32 bytes or more"
	w := watch(t)
	file, previousFile := w.put("key", old), filepath.Join(w.folder, "previous")
	c := config.Config{ClusterKey: old, ClusterKeyFile: file, ClusterKeyPreviousFile: previousFile}
	link, err := openClusterLink(c, nil, w.reloads.logger)
	if err != nil {
		t.Fatal(err)
	}
	link.watch(&w.reloads, c)
	accepts := func(key string) bool {
		keys, err := cluster.NewKeys([]byte(key))
		if err != nil {
			t.Fatal(err)
		}
		claims := cluster.Claims{Hub: "Chat", ConnectionID: "id", IssuedAt: time.Now()}
		_, err = link.keys.Verify("Chat", keys.Issue(claims), claims.IssuedAt)
		return err == nil
	}
	check := func(when string, wantOld, wantNext bool) {
		t.Helper()
		w.reloads.look()
		if accepts(old) != wantOld || accepts(next) != wantNext {
			t.Errorf("%s: old %v, next %v", when, accepts(old), accepts(next))
		}
	}
	check("at first", true, false)
	w.put("previous", next)
	check("the next one is known", true, true)
	w.put("key", next)
	w.put("previous", old)
	check("the next one is in use", true, true)
	_ = os.Remove(previousFile)
	check("the old one is gone", false, true)
}

func TestRedisIsAskedWithThePasswordOfTheDay(t *testing.T) {
	w := watch(t)
	c := config.Config{RedisConnection: "redis:6379,password=in-the-string", RedisPassword: "one", RedisPasswordFile: w.put("password", "one")}
	link := &clusterLink{}
	options, err := redisSettings(c, &link.login)
	if err != nil {
		t.Fatal(err)
	}
	link.watch(&w.reloads, c)
	expect := func(want string) {
		t.Helper()
		w.reloads.look()
		if _, password := options.Redis.CredentialsProvider(); password != want {
			t.Errorf("the password is %q, want %q", password, want)
		}
	}
	expect("one")
	w.put("password", "two")
	expect("two")
}

func TestANewConnectionStringMayBringALoginOnly(t *testing.T) {
	started, err := redis.ParseConnectionString("redis:6379,user=ann,password=one")
	if err != nil {
		t.Fatal(err)
	}
	var login credentials
	login.set(started)
	for _, test := range []struct{ text, user, password string }{
		{"redis:6379,user=bob,password=two", "bob", "two"},
		{"other:6379,user=eve,password=x", "bob", "two"},
		{"redis:6379,ssl=true,password=x", "bob", "two"},
		{"redis:port", "bob", "two"},
		{"redis:6379,user=ann,password=three", "ann", "three"},
	} {
		err := login.replace(started, test.text, "")
		user, password := login.provide()
		if user != test.user || password != test.password || (err == nil) != strings.Contains(test.text, "user="+test.user) {
			t.Errorf("%s: %s %s, %v", test.text, user, password, err)
		}
	}
}

func TestANewPasswordServesTheNextConnectionToRedis(t *testing.T) {
	w := watch(t)
	server := startRedis(t)
	server.RequireAuth("one")
	file := w.put("password", "one")
	r := start(t, func(c *config.Config) {
		c.RedisConnection, c.RedisPassword, c.RedisPasswordFile = server.Addr(), "one", file
	})
	eventually(t, "ready", r.ready)
	server.Close()
	eventually(t, "the loss", func() bool { return strings.Contains(r.report(), "connection lost") })
	server.RequireAuth("two")
	w.put("password", "two")
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	server.Server().SetPreHook(answerInfo)
	eventually(t, "the return", func() bool { return strings.Contains(r.report(), "redis: connected\n") })
}
