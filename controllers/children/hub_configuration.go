package children

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/drain"
)

// hubConfigFile is the name of the configuration file in hub servers.
const hubConfigFile = "hub.yaml"

// Where hub servers find their files.
const (
	hubConfigFolder = "/etc/chatcluster/config"
	hubRedisFolder  = "/etc/chatcluster/redis"
	// hubAuthorityFolder has who vouches for Redis.
	hubAuthorityFolder = "/etc/chatcluster/redis-tls"
	hubKeyFolder       = "/etc/chatcluster/key"
	hubTokenFolder     = "/etc/chatcluster/tokens" //nolint:gosec // a folder, not a token
	hubTLSFolder       = "/etc/chatcluster/tls"
	passwordFile       = "password"
	connectionFile     = "connection"
	clusterKeyFile     = "key"
	previousKeyFile    = "previous"
	tokenKeyFile       = "key"
	certificateFile    = "tls.crt"
	certificateKey     = "tls.key"
	anyAddress         = "*"
	unitSeconds        = "s"
	listSeparator      = ","
)

// HubConfiguration is the configuration file of the hub servers. No secret is in it: it names files that have them.
//
// It is an annotation of their pods, not a ConfigMap, so that each pod keeps the one of its own template: in a ConfigMap, one that
// the new pods of a roll-out refuse would also meet the old ones, which serve meanwhile, when they start again.
func HubConfiguration(w Wanted) (string, error) {
	file, err := yaml.Marshal(hubConfiguration(w))
	if err != nil {
		return "", fmt.Errorf("encode the configuration of the hub servers: %w", err)
	}
	return string(file), nil
}

// hubConfigFiles is the volume with that file.
func hubConfigFiles() *coreac.VolumeApplyConfiguration {
	annotation := fmt.Sprintf("metadata.annotations['%s']", v1alpha1.AnnotationConfiguration)
	return coreac.Volume().WithName(configVolume).WithDownwardAPI(coreac.DownwardAPIVolumeSource().
		WithDefaultMode(0o444).
		WithItems(coreac.DownwardAPIVolumeFile().WithPath(hubConfigFile).
			WithFieldRef(coreac.ObjectFieldSelector().WithAPIVersion("v1").WithFieldPath(annotation))))
}

// hubConfiguration has the keys of the package server/host as every hub server made with it knows them. Keys that only
// some images know, or that have a default in the image, are there only if the spec has them.
func hubConfiguration(w Wanted) map[string]any {
	hub := w.Cluster.Spec.Hub
	keys := map[string]any{
		"Urls":                    hubURL(w.Cluster.Spec.TLS),
		"MetricsAddress":          fmt.Sprintf(":%d", MetricsPort),
		"CorsOrigins":             sortedList(hub.CORSOrigins),
		"EnableDetailedErrors":    ptr.Deref(hub.DetailedErrors, false),
		"AllowStatefulReconnects": ptr.Deref(hub.StatefulReconnects, true),
		"LogLevel":                w.Cluster.Spec.Logging.Level,
		"LogFormat":               w.Cluster.Spec.Logging.Format,
		"ClusterKeyFile":          hubKeyFolder + "/" + clusterKeyFile,
		"ClusterKeyPreviousFile":  hubKeyFolder + "/" + previousKeyFile,
	}
	maps.Copy(keys, timeoutKeys(hub.Timeouts))
	maps.Copy(keys, limitKeys(hub.Limits))
	maps.Copy(keys, drainKeys(drain.For(w.Cluster.Spec, w.Clients)))
	maps.Copy(keys, redisKeys(w))
	maps.Copy(keys, authenticationKeys(hub.Authentication))
	maps.Copy(keys, chosenKeys(w.Cluster.Spec))
	return keys
}

func hubURL(tls *v1alpha1.TLSSpec) string {
	return fmt.Sprintf("%s://%s:%d", scheme(tls), anyAddress, HubPort)
}

func scheme(tls *v1alpha1.TLSSpec) string {
	if tls != nil {
		return "https"
	}
	return "http"
}

func seconds(count int32) string { return fmt.Sprint(count, unitSeconds) }

func duration(of time.Duration) string { return fmt.Sprint(int64(of/time.Second), unitSeconds) }

func timeoutKeys(timeouts v1alpha1.HubTimeouts) map[string]any {
	return map[string]any{
		"HandshakeTimeout":       seconds(timeouts.HandshakeSeconds),
		"KeepAliveInterval":      seconds(timeouts.KeepAliveSeconds),
		"ClientTimeoutInterval":  seconds(timeouts.ClientSeconds),
		"TransportSendTimeout":   seconds(timeouts.SendSeconds),
		"LongPollingPollTimeout": seconds(timeouts.PollSeconds),
	}
}

func limitKeys(limits v1alpha1.HubLimits) map[string]any {
	return map[string]any{
		"MaximumReceiveMessageSize":           limits.MessageBytes,
		"OutboundBufferSize":                  limits.OutboundBufferBytes,
		"StatefulReconnectBufferSize":         limits.ReconnectBufferBytes,
		"MaximumParallelInvocationsPerClient": limits.ParallelInvocations,
		"StreamBufferCapacity":                limits.StreamItems,
		"MaximumStreamsPerClient":             limits.Streams,
		"MaximumConnections":                  ptr.Deref(limits.Connections, 0),
		"MaximumMessagesPerSecond":            ptr.Deref(limits.MessagesPerSecond, 0),
		"MessageBurst":                        ptr.Deref(limits.MessageBurst, 0),
		"MaximumNegotiationsPerMinute":        ptr.Deref(limits.NegotiationsPerMinute, 0),
	}
}

// drainKeys have the delay too: the server itself waits, not ready but serving, so that it needs no preStop.
func drainKeys(plan drain.Plan) map[string]any {
	return map[string]any{
		"DrainDelay":      duration(plan.Delay),
		"DrainPeriod":     duration(plan.Period),
		"ShutdownTimeout": duration(plan.Timeout),
	}
}

func redisKeys(w Wanted) map[string]any {
	keys := backplaneKeys(w.Cluster.Spec.Backplane)
	if !w.Managed() {
		keys["RedisConnectionFile"] = hubRedisFolder + "/" + connectionFile
		return keys
	}
	// Servers start before Redis does, and live on when it goes.
	keys["RedisConnection"] = redisConnection(w) + ",abortConnect=false"
	if w.Cluster.Spec.Redis.TLS != nil {
		keys["RedisTlsCaFile"] = hubAuthorityFolder + "/" + authorityFile
	}
	keys["RedisPasswordFile"] = hubRedisFolder + "/" + passwordFile
	return keys
}

// maximumEndpoints is how many a hub server takes.
const maximumEndpoints = 64

// redisConnection says where Redis is: Sentinels and nodes of a Cluster tell the rest. Of each shard those are named that are always
// there, so that hub servers are not replaced when replicas come or go.
func redisConnection(w Wanted) string {
	cluster, redis := w.Cluster, w.Cluster.Spec.Redis
	var parts []string
	switch {
	case !replicated(redis) && redis.TLS == nil:
		parts = append(parts, fmt.Sprintf("%s:%d", RedisName(cluster.Name), RedisPort))
	case !replicated(redis): // by the name that the certificate is for
		parts = append(parts, fmt.Sprintf("%s:%d", RedisServiceHost(w), RedisPort))
	case redis.Sentinel != nil:
		for index := range redis.Sentinel.Sentinels {
			parts = append(parts, fmt.Sprintf("%s:%d", SentinelHost(w, SentinelPod(cluster.Name, index)), SentinelPort))
		}
		parts = append(parts, "serviceName="+RedisPrimaryName(cluster))
	default:
		for index := range min(2, maximumEndpoints/redis.Cluster.Shards) {
			for _, set := range RedisSets(Wanted{Cluster: cluster}) {
				parts = append(parts, fmt.Sprintf("%s:%d", RedisHost(w, set.Pod(index)), RedisPort))
			}
		}
	}
	if redis.TLS != nil {
		parts = append(parts, "ssl=true")
	}
	return strings.Join(parts, listSeparator)
}

func backplaneKeys(backplane *v1alpha1.BackplaneSpec) map[string]any {
	keys := map[string]any{}
	if backplane == nil {
		return keys
	}
	set(keys, "RedisChannelPrefix", backplane.ChannelPrefix)
	set(keys, "BackplaneMode", strings.ToLower(string(backplane.Mode)))
	keys["BackplaneLocalFallback"] = ptr.Deref(backplane.LocalFallback, false)
	if streams := backplane.Streams; streams != nil {
		keys["BackplaneStreamLength"] = streams.Length
		keys["BackplaneStreamAge"] = seconds(streams.AgeSeconds)
		keys["BackplaneStreamSafety"] = strings.ToLower(streams.Safety)
		keys["BackplaneStreamWaitTimeout"] = seconds(streams.WaitSeconds)
	}
	return keys
}

func authenticationKeys(authentication *v1alpha1.AuthenticationSpec) map[string]any {
	if authentication == nil {
		return nil
	}
	keys := map[string]any{
		"JwtKeyFile":            hubTokenFolder + "/" + tokenKeyFile,
		"RequireAuthentication": ptr.Deref(authentication.Required, true),
		"JwtClockSkew":          seconds(ptr.Deref(authentication.ClockSkewSeconds, 0)),
	}
	set(keys, "JwtIssuer", authentication.Issuer)
	set(keys, "JwtUserClaim", authentication.UserClaim)
	set(keys, "JwtAudiences", strings.Join(authentication.Audiences, listSeparator))
	return keys
}

// chosenKeys are there only if the spec has them.
func chosenKeys(spec v1alpha1.ChatClusterSpec) map[string]any {
	keys := map[string]any{}
	set(keys, "HubName", spec.Hub.Name)
	set(keys, "HubPath", spec.Hub.Path)
	set(keys, "PathBase", spec.Hub.PathBase)
	if spec.Hub.Page != nil {
		keys["Page"] = *spec.Hub.Page
	}
	if len(spec.Hub.TrustedProxies) > 0 {
		keys["TrustedProxies"] = sortedList(spec.Hub.TrustedProxies)
	}
	if len(spec.Hub.Transports) > 0 {
		keys["Transports"] = spec.Hub.Transports
	}
	if spec.TLS != nil {
		keys["TlsCertificateFile"] = hubTLSFolder + "/" + certificateFile
		keys["TlsKeyFile"] = hubTLSFolder + "/" + certificateKey
	}
	return keys
}

// sortedList is a set as a list: [] if it is empty, because nothing would be the default of the hub server.
func sortedList(set []string) []string {
	list := append([]string{}, set...)
	slices.Sort(list)
	return list
}

func set(keys map[string]any, name, value string) {
	if value != "" {
		keys[name] = value
	}
}

func sortedKeys[V any](from map[string]V) []string { return slices.Sorted(maps.Keys(from)) }
