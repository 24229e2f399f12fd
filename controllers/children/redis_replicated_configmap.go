package children

import (
	"fmt"
	"strconv"
	"strings"

	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/redisform"
)

// The files of Sentinels.
const (
	commonSentinelFile = "common.conf"
	redisTLSFolder     = "/chatcluster/tls"
	authorityFile      = "ca.crt"
)

// RedisForm is what package redisform calls the mode of a Redis.
func RedisForm(redis v1alpha1.RedisSpec) redisform.Form {
	if redis.Cluster != nil {
		return redisform.Cluster
	}
	return redisform.Sentinel
}

// replicatedConfigMap has the configuration file of all Redis servers, which is the same for each of them, and the script of
// their end.
func replicatedConfigMap(w Wanted) *coreac.ConfigMapApplyConfiguration {
	return coreac.ConfigMap(RedisName(w.Cluster.Name), w.Cluster.Namespace).
		WithLabels(Labels(w.Cluster.Name, v1alpha1.RedisComponent)).
		WithOwnerReferences(owner(w.Cluster)).
		WithData(map[string]string{
			redisConfigFile: lines(append(startDirectives(w.Cluster.Spec.Redis), settingLines(w.Cluster.Spec)...)),
			endScriptFile:   endScript,
		})
}

// startDirectives are those that Redis reads at its start and not again.
func startDirectives(redis v1alpha1.RedisSpec) []string {
	directives := append([]string{
		"bind * -::*",
		"protected-mode no",
		"dir " + redisDataFolder,
		"aclfile " + redisAuthFolder + "/" + aclKey,
		"include " + redisAuthFolder + "/" + replicationKey,
		"client-output-buffer-limit pubsub 64mb 32mb 30",
		"client-output-buffer-limit replica 128mb 64mb 60",
		"tcp-keepalive 60",
		"appendonly yes",
		`save ""`,
	}, portDirectives(redis, RedisPort)...)
	if redis.Cluster != nil {
		directives = append(directives, "cluster-preferred-endpoint-type hostname")
	}
	for _, directive := range formDirectives(redis) {
		if !strings.HasPrefix(directive, minimumReplicas) {
			directives = append(directives, directive)
		}
	}
	return directives
}

// minimumReplicas begins the directives that depend on the number of replicas.
const minimumReplicas = "min-replicas-"

// formDirectives are those on which the operator's plans build.
func formDirectives(redis v1alpha1.RedisSpec) []string {
	replicas := 0
	switch {
	case redis.Sentinel != nil:
		replicas = int(redis.Sentinel.Replicas)
	case redis.Cluster != nil:
		replicas = int(redis.Cluster.ReplicasPerShard)
	}
	return redisform.ServerDirectives(RedisForm(redis), replicas, redisform.Timing{})
}

// portDirectives are for Redis servers and Sentinels alike.
func portDirectives(redis v1alpha1.RedisSpec, port int) []string {
	if redis.TLS == nil {
		return []string{fmt.Sprintf("port %d", port)}
	}
	directives := []string{
		"port 0",
		fmt.Sprintf("tls-port %d", port),
		"tls-cert-file " + redisTLSFolder + "/" + certificateFile,
		"tls-key-file " + redisTLSFolder + "/" + certificateKey,
		"tls-ca-cert-file " + redisTLSFolder + "/" + authorityFile,
		// Who logs in proves itself by a password.
		"tls-auth-clients no",
		"tls-replication yes",
	}
	if redis.Cluster != nil {
		directives = append(directives, "tls-cluster yes")
	}
	return directives
}

// RedisSettings are the directives that are changed while Redis runs, in the words of CONFIG GET.
func RedisSettings(spec v1alpha1.ChatClusterSpec) map[string]string {
	maximum, policy := redisMemory(spec.Redis)
	settings := map[string]string{
		"maxmemory":                  strconv.FormatInt(maximum, 10),
		"maxmemory-policy":           policy,
		"appendfsync":                redisSync(spec),
		minimumReplicas + "to-write": "0",
	}
	for _, directive := range formDirectives(spec.Redis) {
		if name, value, _ := strings.Cut(directive, " "); strings.HasPrefix(name, minimumReplicas) {
			settings[name] = value
		}
	}
	return settings
}

func settingLines(spec v1alpha1.ChatClusterSpec) []string {
	settings := RedisSettings(spec)
	list := make([]string, 0, len(settings))
	for _, directive := range sortedKeys(settings) {
		list = append(list, directive+" "+settings[directive])
	}
	return list
}

// redisSync is when Redis writes to its disk: as the spec says, or with each write where hub servers wait for the disk.
func redisSync(spec v1alpha1.ChatClusterSpec) string {
	const always, everySecond = "always", "everysec"
	if storage := spec.Redis.Storage; storage != nil {
		if storage.Persistence == v1alpha1.PersistAlways {
			return always
		}
		return everySecond
	}
	backplane := spec.Backplane
	if backplane != nil && backplane.Mode == v1alpha1.BackplaneStreams && backplane.Streams != nil && backplane.Streams.Safety == "Disk" {
		return always
	}
	return everySecond
}

// SentinelConfigMap has the first configuration files of Sentinels, one for each, and the script of their start.
func SentinelConfigMap(w Wanted) *coreac.ConfigMapApplyConfiguration {
	data := map[string]string{
		commonSentinelFile: lines(sentinelDirectives(w.Cluster.Spec.Redis)),
		startScriptFile:    sentinelStartScript,
	}
	for index := range max(w.sentinels(), w.Cluster.Spec.Redis.Sentinel.Sentinels) {
		pod := SentinelPod(w.Cluster.Name, index)
		data[pod+".conf"] = lines(redisform.SentinelDirectives(SentinelHost(w, pod), SentinelPort))
	}
	return coreac.ConfigMap(SentinelName(w.Cluster.Name), w.Cluster.Namespace).
		WithLabels(Labels(w.Cluster.Name, v1alpha1.SentinelComponent)).
		WithOwnerReferences(owner(w.Cluster)).
		WithData(data)
}

func sentinelDirectives(redis v1alpha1.RedisSpec) []string {
	return append([]string{
		"bind * -::*",
		"protected-mode no",
		"dir " + redisDataFolder,
		"aclfile " + redisAuthFolder + "/" + sentinelACLKey,
	}, portDirectives(redis, SentinelPort)...)
}

func lines(list []string) string { return strings.Join(list, "\n") + "\n" }
