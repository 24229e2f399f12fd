package controllers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/redisform"
)

func TestTheAPIServerTellsWhatFormsOfRedisCannotBe(t *testing.T) {
	p := useControlPlane(t)
	for name, c := range map[string]struct{ redis, message string }{
		"all defaults of Sentinel": {"{mode: Sentinel, sentinel: {}}", ""},
		"all defaults of Cluster":  {"{mode: Cluster, cluster: {}}", ""},
		"all of Sentinel": {`{mode: Sentinel, sentinel: {replicas: 4, sentinels: 5, quorum: 4, resources: {limits: {memory: 32Mi}}},
			tls: {secretName: redis-tls}, storage: {size: 4Gi, persistence: Always}}`, ""},
		"Sentinel without its part":        {"{mode: Sentinel}", "redis.sentinel is needed with mode Sentinel"},
		"a part without its mode":          {"{sentinel: {}}", "redis.sentinel is needed with mode Sentinel, and only there"},
		"the part of another mode":         {"{mode: Sentinel, sentinel: {}, cluster: {}}", "redis.cluster is needed with mode Cluster, and only there"},
		"an even number of Sentinels":      {"{mode: Sentinel, sentinel: {sentinels: 4}}", "redis.sentinel.sentinels must be odd"},
		"a quorum that cannot be":          {"{mode: Sentinel, sentinel: {quorum: 4}}", "redis.sentinel.quorum must not be greater"},
		"too many replicas":                {"{mode: Sentinel, sentinel: {replicas: 16}}", "less than or equal to 15"},
		"too few shards":                   {"{mode: Cluster, cluster: {shards: 2}}", "greater than or equal to 3"},
		"snapshots where others are newer": {"{mode: Cluster, cluster: {}, storage: {size: 1Gi, persistence: Snapshot}}", "Snapshot needs mode Standalone"},
		"TLS of one server":                {"{tls: {secretName: redis-tls}}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := &v1alpha1.ChatCluster{}
			manifest := fmt.Sprintf("metadata: {name: rules, namespace: default}\nspec: {redis: %s}", c.redis)
			if err := yaml.UnmarshalStrict([]byte(manifest), cluster); err != nil {
				t.Fatal(err)
			}
			err := p.admin.Create(t.Context(), cluster, client.DryRunAll)
			if c.message == "" && err != nil {
				t.Fatal(err)
			}
			if c.message != "" && (err == nil || !strings.Contains(err.Error(), c.message)) {
				t.Errorf("the API server says %v, want %q", err, c.message)
			}
		})
	}
}

func TestWhatOfAFormOfRedisCannotChange(t *testing.T) {
	p := useControlPlane(t)
	for name, c := range map[string]struct{ redis, patch, message string }{
		"the form":             {"{mode: Sentinel, sentinel: {}}", "{mode: Cluster, cluster: {}, sentinel: null}", "redis.mode cannot be changed"},
		"shards":               {"{mode: Cluster, cluster: {}}", "{cluster: {shards: 4}}", "redis.cluster.shards cannot be changed"},
		"replicas may":         {"{mode: Cluster, cluster: {}}", "{cluster: {replicasPerShard: 2}}", ""},
		"Sentinels may":        {"{mode: Sentinel, sentinel: {}}", "{sentinel: {replicas: 3, sentinels: 5, quorum: 2}}", ""},
		"TLS":                  {"{mode: Sentinel, sentinel: {}}", "{tls: {secretName: redis-tls}}", "redis.tls cannot be added or removed"},
		"more than the 2Gi":    {"{mode: Sentinel, sentinel: {}}", "{storage: {size: 3Gi}}", ""},
		"less than the 2Gi":    {"{mode: Sentinel, sentinel: {}}", "{storage: {size: 1Gi}}", "redis.storage cannot be added or removed"},
		"another class":        {"{mode: Sentinel, sentinel: {}}", "{storage: {size: 3Gi, className: fast}}", "redis.storage cannot be added or removed"},
		"back to the 2Gi":      {"{mode: Sentinel, sentinel: {}, storage: {size: 3Gi}}", "{storage: null}", "redis.storage cannot be added or removed"},
		"a volume for the one": {"{mode: Standalone}", "{storage: {size: 3Gi}}", "redis.storage cannot be added or removed"},
		"snapshots": {"{storage: {size: 1Gi}}", "{storage: {persistence: Snapshot}}",
			"redis.storage.persistence cannot be changed to or from Snapshot"},
		"no snapshots": {"{storage: {size: 1Gi, persistence: Snapshot}}", "{storage: {persistence: Always}}",
			"redis.storage.persistence cannot be changed to or from Snapshot"},
		"the default after snapshots": {"{storage: {size: 1Gi, persistence: Snapshot}}", "{storage: {persistence: null}}",
			"redis.storage.persistence cannot be changed to or from Snapshot"},
		"waiting for the disk": {"{storage: {size: 1Gi}}", "{storage: {persistence: Always}}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := &v1alpha1.ChatCluster{}
			manifest := fmt.Sprintf("metadata: {namespace: default}\nspec: {redis: %s}", c.redis)
			if err := yaml.UnmarshalStrict([]byte(manifest), cluster); err != nil {
				t.Fatal(err)
			}
			cluster.Name = "rules-" + strings.ToLower(strings.ReplaceAll(name, " ", "-"))
			if err := p.admin.Create(t.Context(), cluster); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.admin.Delete(context.Background(), cluster) })
			patch, err := yaml.YAMLToJSON(fmt.Appendf(nil, "{spec: {redis: %s}}", c.patch))
			if err != nil {
				t.Fatal(err)
			}
			err = p.admin.Patch(t.Context(), cluster, client.RawPatch("application/merge-patch+json", patch))
			if c.message == "" && err != nil {
				t.Error(err)
			}
			if c.message != "" && (err == nil || !strings.Contains(err.Error(), c.message)) {
				t.Errorf("the API server says %v, want %q", err, c.message)
			}
		})
	}
}

// The longest name and the most servers: what is remembered of them must have room, or no look would be remembered.
func TestTheNotesOfTheLargestRedisClusterAreTaken(t *testing.T) {
	p := useControlPlane(t)
	cluster := &v1alpha1.ChatCluster{}
	manifest := fmt.Sprintf("metadata: {name: %s, namespace: default}\nspec: {redis: {mode: Cluster, cluster: {shards: 50, replicasPerShard: 5}}}",
		strings.Repeat("n", 40))
	if err := yaml.UnmarshalStrict([]byte(manifest), cluster); err != nil {
		t.Fatal(err)
	}
	if err := p.admin.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.admin.Delete(context.Background(), cluster) })
	memory := redisform.Memory{
		Formed: true, HadData: true, Epoch: math.MaxInt64,
		Waits: map[string]time.Time{"primaries": time.Date(2026, 1, 1, 0, 0, 0, 999, time.UTC)},
	}
	var primaries []string
	for _, set := range children.RedisSets(children.Wanted{Cluster: cluster}) {
		primaries = append(primaries, set.Pod(0))
		for index := int32(1); index < set.Replicas; index++ {
			memory.InSync = append(memory.InSync, set.Pod(index))
		}
	}
	memory.Primary = strings.Join(primaries, ",")
	notes, err := json.Marshal(memory)
	if err != nil {
		t.Fatal(err)
	}
	before := cluster.DeepCopy()
	cluster.Status.Redis.Notes = string(notes)
	if err := p.admin.Status().Patch(t.Context(), cluster, client.MergeFrom(before), client.DryRunAll); err != nil {
		t.Errorf("%d bytes are not taken: %v", len(notes), err)
	}
}
