package children

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/rotation"
)

// The keys of the Secret with the password of Redis.
const (
	// PasswordKey is the password that hub servers use.
	PasswordKey = "password"
	// otherPasswordKey is another one that Redis accepts while they are exchanged.
	otherPasswordKey = "other"
	// aclKey is the file from which Redis reads its users at its start.
	aclKey = "users.acl"
	// AuthoritiesKey are those who vouch for the certificates that Redis may show, in PEM. No pod gets them. They are here, though they
	// are not secret, because who may change them could have the operator tell the password to somebody else.
	AuthoritiesKey = "authorities.pem"
)

// The annotations of Secrets that keep where a rotation is.
const (
	stageAnnotation   = v1alpha1.Group + "/stage"
	sinceAnnotation   = v1alpha1.Group + "/since"
	lineageAnnotation = v1alpha1.Group + "/lineage"
)

// ProbeUser is a user of Redis that may do nothing but ping, for probes: they need no password that changes.
const ProbeUser = "probe"

// ReadRedisAuth returns what the Secret with the password of Redis says; nil is a Secret that is not there. With several servers
// it is what all passwords are derived from.
func ReadRedisAuth(redis v1alpha1.RedisSpec, secret *corev1.Secret) rotation.Secret {
	if replicated(redis) {
		return readSecret(secret, rootKey, otherRootKey)
	}
	return readSecret(secret, PasswordKey, otherPasswordKey)
}

// ReadClusterKey returns what the Secret with the cluster key says; nil is a Secret that is not there.
func ReadClusterKey(secret *corev1.Secret) rotation.Secret {
	return readSecret(secret, clusterKeyFile, previousKeyFile)
}

func readSecret(secret *corev1.Secret, current, other string) rotation.Secret {
	if secret == nil {
		return rotation.Secret{}
	}
	since, _ := time.Parse(time.RFC3339, secret.Annotations[sinceAnnotation]) // long ago, if somebody broke it
	return rotation.Secret{
		Current:  string(secret.Data[current]),
		Other:    string(secret.Data[other]),
		Stage:    rotation.Stage(secret.Annotations[stageAnnotation]),
		Since:    since,
		Answered: secret.Annotations[v1alpha1.AnnotationAnswered],
		Lineage:  secret.Annotations[lineageAnnotation],
	}
}

// RedisAuth is the Secret with the password of Redis.
func RedisAuth(cluster *v1alpha1.ChatCluster, state rotation.Secret) *coreac.SecretApplyConfiguration {
	if replicated(cluster.Spec.Redis) {
		return secret(cluster, RedisAuthName(cluster.Name), v1alpha1.RedisComponent, state, replicatedSecret(state))
	}
	data := secretData(state, PasswordKey, otherPasswordKey)
	data[aclKey] = []byte(redisUsers(state.Accepted()))
	return secret(cluster, RedisAuthName(cluster.Name), v1alpha1.RedisComponent, state, data)
}

// ClusterKey is the Secret with the key that proves connection tokens and requests among hub servers.
func ClusterKey(cluster *v1alpha1.ChatCluster, state rotation.Secret) *coreac.SecretApplyConfiguration {
	data := secretData(state, clusterKeyFile, previousKeyFile)
	return secret(cluster, ClusterKeyName(cluster.Name), v1alpha1.HubComponent, state, data)
}

func secretData(state rotation.Secret, current, other string) map[string][]byte {
	data := map[string][]byte{current: []byte(state.Current)}
	if state.Other != "" {
		data[other] = []byte(state.Other)
	}
	return data
}

func secret(
	cluster *v1alpha1.ChatCluster, name, component string, state rotation.Secret, data map[string][]byte,
) *coreac.SecretApplyConfiguration {
	annotations := map[string]string{lineageAnnotation: state.Lineage}
	set := func(name, value string) {
		if value != "" {
			annotations[name] = value
		}
	}
	set(v1alpha1.AnnotationAnswered, state.Answered)
	if state.Stage != rotation.Settled {
		set(stageAnnotation, string(state.Stage))
		set(sinceAnnotation, state.Since.UTC().Format(time.RFC3339))
	}
	return coreac.Secret(name, cluster.Namespace).
		WithLabels(Labels(cluster.Name, component)).
		WithAnnotations(annotations).
		WithOwnerReferences(owner(cluster)).
		WithType(corev1.SecretTypeOpaque).
		WithData(data)
}

// redisUsers is an ACL file: the default user with all passwords that are good now, by their hashes.
func redisUsers(passwords []string) string {
	var file strings.Builder
	file.WriteString("user default on")
	for _, password := range passwords {
		sum := sha256.Sum256([]byte(password))
		file.WriteString(" #" + hex.EncodeToString(sum[:]))
	}
	file.WriteString(" ~* &* +@all\n")
	fmt.Fprintf(&file, "user %s on nopass resetkeys resetchannels -@all +ping\n", ProbeUser)
	return file.String()
}
