package wire_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/controllers/redisform"
	"github.com/chatcluster/chatcluster/controllers/redisform/wire"
)

// secure gives the form these passwords: the first is used, all are accepted.
func (f *form) secure(passwords ...string) {
	f.hands.Operator = wire.Account{Passwords: passwords}
	f.hands.Internal = wire.Account{User: "default", Passwords: passwords}
	f.hands.Users = map[string][]string{"default": passwords}
	digests := make([]string, len(passwords))
	for i, password := range passwords {
		digests[i] = redisform.Digest(password)
	}
	f.wanted.Passwords = map[string][]string{"default": digests}
	f.wanted.InternalPassword = digests[0]
}

// writeUsers writes the file that servers and Sentinels read at their start.
func writeUsers(t testing.TB, file string, passwords ...string) {
	t.Helper()
	users := "user default on"
	for _, password := range passwords {
		users += " #" + redisform.Digest(password)
	}
	must(t, os.WriteFile(file, []byte(users+" ~* &* +@all\n"), 0o600))
}

// TestRotationKeepsConnections exchanges the password of everything: no connection ends, replication goes on, and in the
// end the old one is good for nothing.
func TestRotationKeepsConnections(t *testing.T) {
	t.Parallel()
	const before, after = "the-old-password", "the-new-password"
	f := newSentinelForm(t, true)
	quick := f.wanted.Timing.DownAfter
	f.wanted.Timing.DownAfter = 30 * time.Second // a primary that a busy machine holds up is not to be failed over
	users := filepath.Join(t.TempDir(), "users.acl")
	writeUsers(t, users, before)
	f.secure(before)
	f.serverOptions = []string{"--aclfile", users, "--masterauth", before}
	f.sentinelLines = []string{"aclfile " + users, "sentinel sentinel-pass " + before}
	f.start()
	conn := f.processes[f.out.Status.Primary].Client(t, redis.Options{Password: before}).Conn()
	t.Cleanup(func() { _ = conn.Close() })
	id, err := conn.ClientID(t.Context()).Result()
	must(t, err)

	writeUsers(t, users, before, after)
	f.secure(before, after)
	f.settle("the new password is accepted")
	f.secure(after, before)
	f.settle("the new password is used")
	writeUsers(t, users, after)
	f.secure(after)
	f.settle("the old password is forgotten")

	now, err := conn.ClientID(t.Context()).Result()
	if err != nil || now != id {
		t.Errorf("the connection is another one: %d, not %d: %v", now, id, err)
	}
	for _, member := range f.members {
		client := f.processes[member.Name].Client(t, redis.Options{Password: before})
		if err := client.Ping(t.Context()).Err(); !redis.HasErrorPrefix(err, "WRONGPASS") {
			t.Errorf("%s: the old password: %v", member.Name, err)
		}
	}
	f.wanted.Timing.DownAfter = quick
	f.settle("the Sentinels are quick again")
	first := f.out.Status.Primary
	f.processes[first].Kill()
	f.await("the Sentinels fail over with the new password", func() bool { return f.out.Status.Serving && f.out.Status.Primary != first })
	for _, name := range f.all(redisform.ServerKind) {
		if name != first {
			role := f.processes[name].Client(t, redis.Options{Password: after})
			if err := role.Ping(t.Context()).Err(); err != nil {
				t.Error(fmt.Errorf("%s: %w", name, err))
			}
		}
	}
}

// TestAServerThatTakesNoPasswordIsSeenToRefuse: it can be told nothing any more, unlike one that is away.
func TestAServerThatTakesNoPasswordIsSeenToRefuse(t *testing.T) {
	t.Parallel()
	f := newSentinelForm(t, true)
	users := filepath.Join(t.TempDir(), "users.acl")
	writeUsers(t, users, "its-password")
	f.serverOptions = []string{"--aclfile", users}
	name := f.addServer().Name
	f.secure("lost", "lost-too")
	see := func() redisform.Answer { return f.hands.Observe(t.Context(), f.wanted, f.members).Servers[0].Answer }
	if answer := see(); !answer.Refused || answer.Reached {
		t.Errorf("with other passwords: %+v", answer)
	}
	f.secure("lost", "its-password")
	if answer := see(); answer.Refused || !answer.Reached {
		t.Errorf("with one that is good: %+v", answer)
	}
	f.processes[name].Kill()
	if answer := see(); answer.Refused || answer.Reached {
		t.Errorf("without a server: %+v", answer)
	}
}
