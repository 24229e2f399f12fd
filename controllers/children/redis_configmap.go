package children

import (
	"fmt"
	"slices"

	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

const (
	redisConfigFile = "redis.conf"
	// Not below /etc/redis: images have it, and some let nobody but their own user look into it.
	redisConfigFolder = "/chatcluster/config"
	redisAuthFolder   = "/chatcluster/auth"
	redisDataFolder   = "/data"
	noEviction        = "noeviction"
)

// RedisConfigMap has the configuration file of Redis.
func RedisConfigMap(w Wanted) *coreac.ConfigMapApplyConfiguration {
	if w.Replicated() {
		return replicatedConfigMap(w)
	}
	return coreac.ConfigMap(RedisName(w.Cluster.Name), w.Cluster.Namespace).
		WithLabels(Labels(w.Cluster.Name, v1alpha1.RedisComponent)).
		WithOwnerReferences(owner(w.Cluster)).
		WithData(map[string]string{redisConfigFile: redisConfiguration(w.Cluster.Spec.Redis)})
}

func redisConfiguration(redis v1alpha1.RedisSpec) string {
	maximum, policy := redisMemory(redis)
	directives := slices.Concat([]string{"bind * -::*"}, portDirectives(redis, RedisPort), []string{
		// The passwords in the ACL file protect it.
		"protected-mode no",
		"dir " + redisDataFolder,
		"aclfile " + redisAuthFolder + "/" + aclKey,
		fmt.Sprintf("maxmemory %d", maximum),
		"maxmemory-policy " + policy,
		// A hub server that falls behind catches up or is cut: Redis must not fill up with what waits for it.
		"client-output-buffer-limit pubsub 64mb 32mb 30",
		"tcp-keepalive 60",
	}, persistence(redis.Storage))
	return lines(directives)
}

// redisMemory is in bytes; 0 is no bound. A quarter of the limit is for what Redis needs beside what it stores.
func redisMemory(redis v1alpha1.RedisSpec) (maximum int64, policy string) {
	policy = noEviction
	maximum = memoryLimit(redisResources(redis)) / 4 * 3
	if redis.Memory == nil {
		return maximum, policy
	}
	if redis.Memory.Maximum != nil {
		maximum = redis.Memory.Maximum.Value()
	}
	if redis.Memory.Policy != "" {
		policy = redis.Memory.Policy
	}
	return maximum, policy
}

func persistence(storage *v1alpha1.RedisStorage) []string {
	const appending, never = "appendonly yes", `save ""`
	switch {
	case storage == nil:
		return []string{"appendonly no", never}
	case storage.Persistence == v1alpha1.PersistSnapshot:
		return []string{"appendonly no", "save 3600 1 300 10 60 1000"}
	case storage.Persistence == v1alpha1.PersistAlways:
		return []string{appending, "appendfsync always", never}
	default:
		return []string{appending, "appendfsync everysec", never}
	}
}
