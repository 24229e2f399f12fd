package controllers_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/redisform"
)

// sentinelDemo makes a ChatCluster demo with Sentinels and waits until it is Ready.
func sentinelDemo(t *testing.T) *operator {
	t.Helper()
	o := runOperator(t)
	o.chatCluster("demo", "{redis: {mode: Sentinel, sentinel: {replicas: 2}}}")
	o.ready("demo")
	o.settle("demo")
	return o
}

func (o *operator) redisStatus() v1alpha1.RedisStatus {
	o.t.Helper()
	return get(o, &v1alpha1.ChatCluster{}, "demo").Status.Redis
}

func TestARedisWithSentinelsIsFormed(t *testing.T) {
	o := sentinelDemo(t)
	o.condition("demo", v1alpha1.ConditionRedisReady, metav1.ConditionTrue, v1alpha1.ReasonRedisRunning)
	status := o.redisStatus()
	if status.Mode != v1alpha1.RedisSentinel || !slices.Equal(status.Primaries, []string{"demo-redis-0"}) || *status.ReplicasInSync != 2 ||
		*status.Sentinels != 3 || status.Version != "7.0.15" || *status.MemoryBytes != 1<<20 || status.Shards != nil {
		t.Errorf("the status is %+v", status)
	}
	for _, name := range []string{"demo-redis", "demo-sentinel"} {
		if replicas := *get(o, &appsv1.StatefulSet{}, name).Spec.Replicas; replicas != 3 {
			t.Errorf("%s has %d pods", name, replicas)
		}
		get(o, &policyv1.PodDisruptionBudget{}, name)
	}
	for _, secret := range []string{"password", "root"} {
		value := string(get(o, &corev1.Secret{}, "demo-redis-auth").Data[secret])
		if text := get(o, &appsv1.StatefulSet{}, "demo-redis").String() + get(o, &corev1.ConfigMap{}, "demo-redis").String(); value == "" ||
			strings.Contains(text, value) {
			t.Errorf("%s is where everybody can read it, or nowhere", secret)
		}
	}
}

func TestALostReplicaIsTold(t *testing.T) {
	o := sentinelDemo(t)
	if err := o.admin.Delete(t.Context(), get(o, &corev1.Pod{}, "demo-redis-2"), client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonRedisAtRisk)
	o.condition("demo", v1alpha1.ConditionRedisReady, metav1.ConditionTrue, v1alpha1.ReasonRedisRunning)
	o.condition("demo", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForRedis)
	if status := o.redisStatus(); *status.ReplicasInSync != 1 || *status.Replicas != 2 {
		t.Errorf("%d of %d replicas are in sync", *status.ReplicasInSync, *status.Replicas)
	}
	o.ready("demo") // another pod comes in its place
}

func TestANewImageReplacesThePrimaryLastAndAfterAHandOver(t *testing.T) {
	o := sentinelDemo(t)
	o.patch("demo", "{spec: {redis: {image: 'redis:7.2'}}}")
	o.condition("demo", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonRollingOut)
	var order []string
	o.redisReady("demo", func(cluster *v1alpha1.ChatCluster) error {
		var old []string
		for _, name := range []string{"demo-redis-0", "demo-redis-1", "demo-redis-2", "demo-sentinel-0", "demo-sentinel-1", "demo-sentinel-2"} {
			pod := &corev1.Pod{}
			if o.has(pod, name) && pod.Spec.Containers[0].Image == "redis:7.2" {
				if !slices.Contains(order, name) {
					order = append(order, name)
				}
				continue
			}
			old = append(old, name)
		}
		if len(old) > 0 {
			return fmt.Errorf("%v are old; the primary is %v", old, cluster.Status.Redis.Primaries)
		}
		return nil
	})
	if last := order[len(order)-1]; last != "demo-redis-0" {
		t.Errorf("the primary demo-redis-0 was not the last one to be replaced: %v", order)
	}
	o.ready("demo")
	o.event("demo", "FailedOver", "the primaries of Redis are demo-redis-")
	o.event("demo", "Replaced", "demo-redis-2")
	if primary := o.redisStatus().Primaries; slices.Equal(primary, []string{"demo-redis-0"}) {
		t.Errorf("the primary is still %v", primary)
	}
}

func TestSettingsOfRedisAreChangedWithoutARestart(t *testing.T) {
	o := sentinelDemo(t)
	before := get(o, &appsv1.StatefulSet{}, "demo-redis").Spec.Template.String()
	o.patch("demo", "{spec: {redis: {memory: {maximum: 64Mi, policy: volatile-lru}}}}")
	o.servers.mu.Lock()
	for _, server := range o.servers.known { // a real one knows all of its settings from the start
		server.settings["maxmemory"], server.settings["maxmemory-policy"] = "402653184", "noeviction"
	}
	o.servers.mu.Unlock()
	o.eventually(func() error {
		for index := range 3 {
			name := fmt.Sprintf("demo-redis-%d", index)
			if memory, policy := o.servers.setting(name, "maxmemory"), o.servers.setting(name, "maxmemory-policy"); memory != "67108864" || policy != "volatile-lru" {
				return fmt.Errorf("%s has %s and %s", name, memory, policy)
			}
		}
		return nil
	})
	if get(o, &appsv1.StatefulSet{}, "demo-redis").Spec.Template.String() != before {
		t.Error("servers are restarted for what they can be told")
	}
	o.eventually(func() error { // servers are told first
		if file := get(o, &corev1.ConfigMap{}, "demo-redis").Data["redis.conf"]; !strings.Contains(file, "maxmemory 67108864\n") {
			return fmt.Errorf("a server that starts anew would have %s", file)
		}
		return nil
	})
}

func TestReplicasAndSentinelsComeAndGo(t *testing.T) {
	o := sentinelDemo(t)
	o.patch("demo", "{spec: {redis: {sentinel: {replicas: 3, sentinels: 5}}}}")
	o.ready("demo")
	if status := o.redisStatus(); *status.ReplicasInSync != 3 || *status.Sentinels != 5 {
		t.Errorf("%d replicas, %d Sentinels", *status.ReplicasInSync, *status.Sentinels)
	}
	o.patch("demo", "{spec: {redis: {sentinel: {replicas: 1, sentinels: 3}}}}")
	o.ready("demo")
	o.eventually(func() error {
		servers, sentinels := *get(o, &appsv1.StatefulSet{}, "demo-redis").Spec.Replicas, *get(o, &appsv1.StatefulSet{}, "demo-sentinel").Spec.Replicas
		if servers != 2 || sentinels != 3 {
			return fmt.Errorf("%d servers, %d Sentinels", servers, sentinels)
		}
		return nil
	})
}

func TestLostPasswordsReplaceAllServers(t *testing.T) {
	o := sentinelDemo(t)
	before := map[string]types.UID{}
	for _, name := range []string{"demo-redis-0", "demo-redis-1", "demo-redis-2", "demo-sentinel-0", "demo-sentinel-1", "demo-sentinel-2"} {
		before[name] = get(o, &corev1.Pod{}, name).UID
	}
	if err := o.admin.Delete(t.Context(), get(o, &corev1.Secret{}, "demo-redis-auth")); err != nil {
		t.Fatal(err)
	}
	o.condition("demo", v1alpha1.ConditionRedisReady, metav1.ConditionFalse, v1alpha1.ReasonRedisMajorityLost)
	o.redisReady("demo", func(*v1alpha1.ChatCluster) error {
		for name, uid := range before {
			if pod := (&corev1.Pod{}); !o.has(pod, name) || pod.UID == uid {
				return fmt.Errorf("%s goes on with a password that nobody has", name)
			}
		}
		return nil
	})
	o.ready("demo")
	o.condition("demo", v1alpha1.ConditionRedisReady, metav1.ConditionTrue, v1alpha1.ReasonRedisRunning)
}

func TestPasswordsOfAllServersAreExchanged(t *testing.T) {
	o := sentinelDemo(t)
	secret := func() *corev1.Secret { return get(o, &corev1.Secret{}, "demo-redis-auth") }
	first := string(secret().Data["password"])
	o.patch("demo", "{metadata: {annotations: {chatcluster.dev/rotate-redis-password: now}}}")
	o.eventually(func() error {
		if string(secret().Data["password"]) == first {
			return errors.New("the password is the old one")
		}
		return nil
	})
	second := string(secret().Data["password"])
	knows := func(server string) []string {
		o.servers.mu.Lock()
		defer o.servers.mu.Unlock()
		return o.servers.known[server].passwords["default"]
	}
	for _, server := range []string{"demo-redis-0", "demo-redis-1", "demo-redis-2"} {
		if known := knows(server); !slices.Contains(known, redisform.Digest(first)) || !slices.Contains(known, redisform.Digest(second)) {
			t.Errorf("%s does not know both passwords while hub servers may use either", server)
		}
	}
	o.clock.move(time.Hour)
	o.patch("demo", "{metadata: {annotations: {look: again}}}")
	o.condition("demo", v1alpha1.ConditionProgressing, metav1.ConditionFalse, v1alpha1.ReasonSettled)
	for _, server := range []string{"demo-redis-0", "demo-redis-1", "demo-redis-2"} {
		if known := knows(server); !slices.Equal(known, []string{redisform.Digest(second)}) {
			t.Errorf("%s still knows %d passwords", server, len(known))
		}
	}
}

func TestASpecThatIsWrongDoesNotKeepRedisFromBeingKept(t *testing.T) {
	o := sentinelDemo(t)
	o.patch("demo", "{spec: {hub: {podMetadata: {labels: {team: 'a b'}}}}}")
	o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonInvalidSpec)
	if err := o.admin.Delete(t.Context(), get(o, &corev1.Pod{}, "demo-redis-1"), client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	o.redisReady("demo", func(cluster *v1alpha1.ChatCluster) error {
		if synced := ptr.Deref(cluster.Status.Redis.ReplicasInSync, 0); synced != 2 || o.runSets("demo") > 0 {
			return fmt.Errorf("%d replicas are in sync", synced)
		}
		return nil
	})
}

func TestANewCertificateReplacesSentinelsOnly(t *testing.T) {
	o := runOperator(t)
	o.redisCertificate("redis-tls")
	o.chatCluster("demo", "{redis: {mode: Sentinel, sentinel: {replicas: 1}, tls: {secretName: redis-tls}}}")
	o.ready("demo")
	o.settle("demo")
	if sentinels := get(o, &appsv1.StatefulSet{}, "demo-sentinel"); sentinels.Generation != 1 {
		t.Error("the template of Sentinels changes as soon as they are made, and replaces them all")
	}
	pods := func() map[string]string {
		uids := map[string]string{}
		for _, name := range []string{"demo-redis-0", "demo-redis-1", "demo-sentinel-0", "demo-sentinel-1", "demo-sentinel-2"} {
			pod := &corev1.Pod{}
			if o.has(pod, name) {
				uids[name] = string(pod.UID)
			}
		}
		return uids
	}
	before := pods()
	o.redisCertificate("redis-tls")
	o.redisReady("demo", func(*v1alpha1.ChatCluster) error {
		for name, uid := range pods() {
			if strings.Contains(name, "sentinel") && uid == before[name] {
				return fmt.Errorf("%s has the old certificate", name)
			}
		}
		return nil
	})
	o.ready("demo")
	if after := pods(); after["demo-redis-0"] != before["demo-redis-0"] || after["demo-redis-1"] != before["demo-redis-1"] {
		t.Error("servers are restarted for what they can be told")
	}
}

func TestANewCertificateOfOneServerReplacesNothing(t *testing.T) {
	o := runOperator(t)
	o.redisCertificate("redis-tls")
	o.chatCluster("demo", "{redis: {tls: {secretName: redis-tls}}}")
	o.ready("demo")
	o.condition("demo", v1alpha1.ConditionProgressing, metav1.ConditionFalse, v1alpha1.ReasonSettled)
	shown := func() string {
		o.redis.mu.Lock()
		defer o.redis.mu.Unlock()
		return o.redis.shows["demo"]
	}
	before, set := shown(), get(o, &appsv1.StatefulSet{}, "demo-redis")
	if before == "" {
		t.Error("Redis was not looked at")
	}
	o.redisCertificate("redis-tls")
	o.eventually(func() error {
		if shown() == before {
			return errors.New("it is the old one")
		}
		return nil
	})
	o.condition("demo", v1alpha1.ConditionProgressing, metav1.ConditionFalse, v1alpha1.ReasonSettled)
	if get(o, &appsv1.StatefulSet{}, "demo-redis").Generation != set.Generation {
		t.Error("Redis is restarted for what it can be told")
	}
}

// Servers that have not read their next certificate yet must be known to an operator that has just started.
func TestAuthoritiesAreRememberedUntilNobodyNeedsThem(t *testing.T) {
	for name, spec := range map[string]string{
		"one server":     "{redis: {tls: {secretName: redis-tls}}}",
		"with Sentinels": "{redis: {mode: Sentinel, sentinel: {replicas: 1}, tls: {secretName: redis-tls}}}",
	} {
		t.Run(name, func(t *testing.T) {
			o := runOperator(t)
			o.redisCertificate("redis-tls")
			o.chatCluster("demo", spec)
			o.ready("demo")
			remembers := func(authorities int) func() error {
				return func() error {
					text := string(get(o, &corev1.Secret{}, "demo-redis-auth").Data["authorities.pem"])
					if is := strings.Count(text, "BEGIN CERTIFICATE"); is != authorities {
						return fmt.Errorf("%d authorities are remembered, want %d", is, authorities)
					}
					return nil
				}
			}
			o.eventually(remembers(1))
			o.stop()
			o.redisCertificate("redis-tls")
			o.redis.setAway(true)
			o.start("hubserver:1")
			o.eventually(remembers(2))
			o.redis.setAway(false)
			o.patch("demo", "{metadata: {annotations: {look: again}}}")
			o.redisReady("demo", func(*v1alpha1.ChatCluster) error { return remembers(1)() })
		})
	}
}

// A server that goes away later has nothing to do with a former authority.
func TestAFormerAuthorityIsNotRememberedAgain(t *testing.T) {
	o := runOperator(t)
	o.redisCertificate("redis-tls")
	o.chatCluster("demo", "{redis: {tls: {secretName: redis-tls}}}")
	o.ready("demo")
	o.redisCertificate("redis-tls")
	present := get(o, &corev1.Secret{}, "redis-tls").Data["ca.crt"]
	remembered := func() []byte { return get(o, &corev1.Secret{}, "demo-redis-auth").Data["authorities.pem"] }
	o.eventually(func() error {
		if !bytes.Equal(remembered(), present) {
			return errors.New("the former authority is remembered")
		}
		return nil
	})
	o.redis.setAway(true)
	looks := func() int {
		o.redis.mu.Lock()
		defer o.redis.mu.Unlock()
		return o.redis.looks
	}
	for _, look := range []string{"again", "once more"} { // the second one begins when all that follows from the first is written
		before := looks()
		o.patch("demo", "{metadata: {annotations: {look: "+look+"}}}")
		o.eventually(func() error {
			if looks() == before {
				return errors.New("Redis was not looked at")
			}
			return nil
		})
	}
	if !bytes.Equal(remembered(), present) {
		t.Error("the former authority is remembered again")
	}
}

func TestACertificateThatCannotBeReadIsSaid(t *testing.T) {
	o := runOperator(t)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: "redis-tls"},
		Data:       map[string][]byte{"tls.crt": []byte("none"), "tls.key": []byte("none"), "ca.crt": []byte("none")},
	}
	if err := o.admin.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	o.chatCluster("demo", "{redis: {tls: {secretName: redis-tls}}}")
	o.condition("demo", v1alpha1.ConditionDegraded, metav1.ConditionTrue, v1alpha1.ReasonReferenceMissing)
	o.message("demo", v1alpha1.ConditionDegraded, "redis-tls, whose tls.crt or ca.crt has no certificate in PEM")
	o.redisCertificate("redis-tls")
	o.ready("demo")
}

func TestARedisClusterIsFormedAndBroughtToANewImage(t *testing.T) {
	o := runOperator(t)
	o.chatCluster("demo", "{redis: {mode: Cluster, cluster: {}}}")
	o.ready("demo")
	status := o.redisStatus()
	if !slices.Equal(status.Primaries, []string{"demo-redis-0-0", "demo-redis-1-0", "demo-redis-2-0"}) || *status.Shards != 3 ||
		*status.ReplicasInSync != 3 || status.Sentinels != nil {
		t.Errorf("the status is %+v", status)
	}
	for _, pod := range []string{"demo-redis-0-1", "demo-redis-2-0"} {
		if shard := get(o, &corev1.Pod{}, pod).Labels[v1alpha1.LabelShard]; shard != strings.Split(pod, "-")[2] {
			t.Errorf("%s has shard %q", pod, shard)
		}
	}
	o.patch("demo", "{spec: {redis: {image: 'redis:7.2'}}}")
	o.ready("demo")
	o.event("demo", "FailedOver", "primaries")
	for _, pod := range []string{"demo-redis-0-0", "demo-redis-1-1", "demo-redis-2-0"} {
		if image := get(o, &corev1.Pod{}, pod).Spec.Containers[0].Image; image != "redis:7.2" {
			t.Errorf("%s runs %s", pod, image)
		}
	}
	o.patch("demo", "{spec: {redis: {cluster: {replicasPerShard: 2}}}}")
	o.ready("demo")
	o.patch("demo", "{spec: {redis: {cluster: {replicasPerShard: 1}}}}")
	o.ready("demo")
	for _, set := range []string{"demo-redis-0", "demo-redis-1", "demo-redis-2"} {
		if replicas := *get(o, &appsv1.StatefulSet{}, set).Spec.Replicas; replicas != 2 {
			t.Errorf("%s has %d pods", set, replicas)
		}
	}
}
