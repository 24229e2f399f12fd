package wire_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/redisform"
	"github.com/chatcluster/chatcluster/controllers/redisform/wire"
	"github.com/chatcluster/chatcluster/controllers/rotation"
	"github.com/chatcluster/chatcluster/controllers/sampletest"
)

// TestAPrimaryHandsOverBeforeItEnds runs the script that pods run before they end, with the users and the rights that the operator
// gives them, while the operator is away: another server is the primary then, and has all that was written.
func TestAPrimaryHandsOverBeforeItEnds(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("redis-cli"); err != nil {
		t.Skip("redis-cli is not installed")
	}
	for _, test := range []struct {
		name      string
		form      func(testing.TB, bool) *form
		sample    string
		encrypted bool
	}{
		{"Sentinel", newSentinelForm, "redis-sentinel.yaml", false},
		{"Sentinel with TLS", newSentinelForm, "redis-tls.yaml", true},
		{"Cluster", newClusterForm, "redis-cluster.yaml", false},
		{"Cluster with TLS", newClusterForm, "redis-cluster.yaml", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := test.form(t, true)
			if test.encrypted {
				f.encrypt()
			}
			e := newEnding(f, test.sample)
			if f.wanted.Form == redisform.Cluster {
				f.startCluster()
			} else {
				f.start()
			}
			primary := e.primary()
			const key = "bar" // of the first shard
			must(t, f.processes[primary].Client(t, f.login()).Set(t.Context(), key, "data", 0).Err())
			e.run(primary)
			value, err := e.successor(primary).Get(t.Context(), key).Result()
			if err != nil || value != "data" {
				t.Errorf("the successor has not what was written: %q, %v", value, err)
			}
		})
	}
}

// ending is a form whose members have the files that the operator makes.
type ending struct {
	*form
	folder string
	script string
}

// newEnding gives the form the files of a ChatCluster.
func newEnding(f *form, sample string) *ending {
	f.t.Helper()
	cluster := sampletest.Cluster(f.t, sample)
	state := rotation.Secret{Current: "not-a-secret", Lineage: "lineage"}
	_, operator, internal := children.RedisAccounts(state)
	f.hands.Operator = wire.Account{User: operator.User, Passwords: operator.Passwords}
	f.hands.Internal = wire.Account{User: internal.User, Passwords: internal.Passwords}
	f.wanted.InternalPassword = redisform.Digest(internal.Passwords[0])
	e := &ending{form: f, folder: f.t.TempDir()}
	for name, content := range children.RedisAuth(cluster, state).Data {
		must(f.t, os.WriteFile(filepath.Join(e.folder, name), content, 0o600))
	}
	e.script = children.RedisConfigMap(children.Wanted{Cluster: cluster, ClusterDomain: "cluster.local"}).Data["end.sh"]
	f.serverOptions = append(f.serverOptions, "--aclfile", e.file("users.acl"), "--include", e.file("replication.conf"))
	f.sentinelLines = append(f.sentinelLines, "aclfile "+e.file("sentinel-users.acl"), e.read("sentinel-peers.conf"))
	return e
}

func (e *ending) file(name string) string { return filepath.Join(e.folder, name) }

func (e *ending) read(name string) string {
	e.t.Helper()
	content, err := os.ReadFile(e.file(name))
	must(e.t, err)
	return string(content)
}

// primary is the name of the one that is to end, in a Cluster that of the first shard.
func (e *ending) primary() string {
	if e.wanted.Form == redisform.Cluster {
		return e.out.Status.Shards[0].Primary
	}
	return e.out.Status.Primary
}

// successor is the primary that a server follows that was one.
func (e *ending) successor(server string) *redis.Client {
	e.t.Helper()
	role, err := e.processes[server].Client(e.t, e.login()).Do(e.t.Context(), "ROLE").Slice()
	must(e.t, err)
	if role[0] != "slave" {
		e.t.Fatalf("%s is still a primary: %v", server, role)
	}
	address := net.JoinHostPort(fmt.Sprint(role[1]), fmt.Sprint(role[2]))
	at := slices.IndexFunc(e.members, func(m redisform.Member) bool { return m.Address == address })
	if at < 0 {
		e.t.Fatalf("%s follows a stranger: %v", server, role)
	}
	return e.processes[e.members[at].Name].Client(e.t, e.login())
}

// run runs the script as the pod of a server would, where all have the same port and only names differ.
func (e *ending) run(server string) {
	e.t.Helper()
	variables := []string{"PATH=" + os.Getenv("PATH")}
	ports := []string{"-p 6379", fmt.Sprintf("-p %d", e.member(server).Port), "/chatcluster/auth", e.folder,
		"wait_for_successor 10", "wait_for_successor 1"}
	if e.authority != nil {
		variables = append(variables, "TLS_FLAGS=--tls --insecure")
	}
	if e.wanted.Form == redisform.Sentinel {
		variables = append(variables, "SENTINEL_ADDRESS=127.0.0.1", "SENTINEL_PRIMARY="+primaryName)
		ports = append(ports, "-p 26379", fmt.Sprintf("-p %d", e.member("sentinel-0").Port))
	} else {
		replica := e.member(e.out.Status.Shards[0].Replicas[0]).Port
		ports = append([]string{"-h $replica -p 6379", fmt.Sprintf("-h $replica -p %d", replica)}, ports...)
	}
	command := exec.CommandContext(e.t.Context(), "sh", "-c", strings.NewReplacer(ports...).Replace(e.script))
	command.Env = variables
	if output, err := command.CombinedOutput(); err != nil {
		e.t.Fatalf("the script: %v\n%s", err, output)
	}
}
