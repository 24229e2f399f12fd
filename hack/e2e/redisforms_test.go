package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/hack/e2e/crowd"
)

// TestRedisForms lets a crowd chat through three hub servers over each form of Redis while all happens to Redis that may. Hub
// servers are kept off the nodes of Redis: what clients notice is then of Redis alone.
func TestRedisForms(t *testing.T) {
	s := newSuite(t)
	if !s.full {
		t.Skip("E2E is not full: each form of Redis is disturbed in one way only")
	}
	s.before = nil // the operator is this checkout's from the start
	s.install(t)
	for _, f := range disturbedForms() {
		t.Run(f.name, func(t *testing.T) {
			own := *s
			own.t, own.table = t, &table{}
			defer own.print(t, "redis-"+strings.ToLower(strings.NewReplacer(",", "", " ", "-").Replace(f.name)))
			own.disturbForm(t, f)
		})
	}
}

// disturbedForms are each form of Redis with each mode of the backplane that suits it.
func disturbedForms() []form {
	const standalone, sentinel, cluster = `redis: {tls: {secretName: redis-tls}}`,
		`redis: {mode: Sentinel, sentinel: {}, tls: {secretName: redis-tls}}`,
		`redis: {mode: Cluster, cluster: {}, tls: {secretName: redis-tls}}`
	const pubSub, sharded, streams = `backplane: {mode: PubSub}`, `backplane: {mode: Sharded}`, `backplane: {mode: Streams}`
	secured := func(name string, mode v1alpha1.RedisMode, killed promise, specs ...string) form {
		return form{name: name, mode: string(mode), specs: specs, killed: killed, prepare: (*chat).certify}
	}
	return []form{
		secured("One server, PubSub", v1alpha1.RedisStandalone, recovers, standalone, pubSub),
		secured("One server, Streams", v1alpha1.RedisStandalone, losesNothing, standalone, streams),
		secured("Sentinel, PubSub", v1alpha1.RedisSentinel, recovers, sentinel, pubSub),
		secured("Sentinel, Streams", v1alpha1.RedisSentinel, losesNothing, sentinel, streams),
		secured("Cluster, Sharded", v1alpha1.RedisCluster, recovers, cluster, sharded),
		secured("Cluster, Streams", v1alpha1.RedisCluster, losesNothing, cluster, streams),
	}
}

// disturbForm makes a ChatCluster of a form and lets all happen to its Redis, one thing after another.
func (s *suite) disturbForm(t *testing.T, f form) {
	t.Helper()
	c := s.newChat(t, "form")
	if f.prepare != nil {
		f.prepare(c, t)
	}
	apart, err := s.apartFromRedis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.specs = append(f.specs, apart)
	took, err := c.applyForm(t, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("from apply to Ready: %v", took.Round(100*time.Millisecond))
	if err := c.awaitWhole(t.Context()); err != nil {
		t.Fatal(err)
	}
	people := c.gatherSpread(t, crowd.Options{URL: c.url(t, "/chatHub"), Go: 10, JavaScript: 5})
	c.expectAllHear(t, people, 2)
	c.disturbAll(t, people, "", c.redisDisturbances(f))
	c.expectAllHear(t, people, 2)
}

// redisDisturbances are all that happens to the Redis that the operator runs. What the form has not, is left out.
func (c *chat) redisDisturbances(f form) []disturbance {
	whole := func(do func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := do(ctx); err != nil {
				return err
			}
			return c.awaitWhole(ctx)
		}
	}
	replaced := time.Duration(0) // by when another server takes writes, on a busy machine; one server is not replaced
	if f.mode != string(v1alpha1.RedisStandalone) {
		replaced = 30 * time.Second
	}
	list := []disturbance{
		{name: "none", promise: unnoticed, do: func(ctx context.Context) error { return sleep(ctx, 5*time.Second) }},
		{name: "primary's process killed", promise: f.killed, longest: replaced, do: whole(c.killPrimaryProcess)},
		{name: "primary killed", promise: f.killed, longest: replaced, do: whole(c.killPrimary)},
		{name: "primary's node paused for 20 s", promise: f.killed, longest: replaced, do: whole(c.onPrimaryNode(c.pauseNode))},
		{name: "primary's node stopped for 40 s", promise: f.killed, longest: replaced, do: whole(c.onPrimaryNode(c.stopNodeShortly))},
		{name: "all pods of Redis killed", promise: f.killed, do: whole(c.killRedis)},
		{name: "image of Redis changed", promise: f.killed, do: whole(c.upgradeRedis)},
	}
	list = append(list,
		disturbance{name: "certificate exchanged", promise: f.killed, do: whole(c.exchangeCertificate)},
		disturbance{name: "password exchanged", promise: losesNothing, do: whole(c.exchangePassword)})
	if f.mode != string(v1alpha1.RedisStandalone) {
		list = append(list,
			disturbance{name: "replica added", promise: losesNothing, do: whole(c.changeReplicas(1))},
			disturbance{name: "replica removed", promise: f.killed, do: whole(c.changeReplicas(-1))})
	}
	return list
}
