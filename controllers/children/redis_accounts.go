package children

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/chatcluster/chatcluster/controllers/rotation"
)

// The files that the Secret with the passwords of Redis has with modes Sentinel and Cluster, beside PasswordKey and aclKey.
const (
	// rootKey and otherRootKey are what all passwords are derived from. No pod gets them.
	rootKey      = "root"
	otherRootKey = "other-root"
	// sentinelACLKey has the users of Sentinels.
	sentinelACLKey = "sentinel-users.acl"
	// replicationKey is the part of redis.conf, and sentinelPeersKey the part of sentinel.conf, that has a password.
	replicationKey   = "replication.conf"
	sentinelPeersKey = "sentinel-peers.conf"
	// internalPasswordKey is for the script that hands over before a server ends.
	internalPasswordKey = "internal"
)

// RedisAccount is a user of Redis.
type RedisAccount struct {
	User string
	// Passwords are those that are good, the one to use first.
	Passwords []string
}

// RedisAccounts are the users that the operator keeps. All of their passwords come from the one secret that is exchanged, and none
// of them tells another one.
func RedisAccounts(state rotation.Secret) (hub, operator, internal RedisAccount) {
	return redisAccount(state, RedisHubUser), redisAccount(state, RedisOperatorUser), redisAccount(state, RedisInternalUser)
}

func redisAccount(state rotation.Secret, user string) RedisAccount {
	account := RedisAccount{User: user}
	for _, root := range state.Accepted() {
		account.Passwords = append(account.Passwords, derivedPassword(root, user))
	}
	return account
}

func derivedPassword(root, user string) string {
	derived := hmac.New(sha256.New, []byte(root))
	_, _ = derived.Write([]byte("redis user " + user)) // a hash takes everything
	return hex.EncodeToString(derived.Sum(nil))
}

// The rights of users. Hub servers own the whole Redis, so their keys and channels are not named: a channel prefix may change while
// it runs. +@connection brings WAIT and WAITAOF, the latter of which Redis 7.0 does not know by name.
const (
	hubRights = "~* &* -@all +@connection -@admin -@dangerous +info +time +get +set +del +exists +zadd +zrem +zrange +zremrangebyscore" +
		" +pexpire +eval +publish +subscribe +unsubscribe +spublish +ssubscribe +sunsubscribe +multi +exec +@stream +wait +config|get" +
		" +cluster|slots"
	operatorRights = "~* &* +@all"
	// internalRights are those that replicas and Sentinels need, and the script that hands over before a server ends.
	internalRights = "resetkeys &__sentinel__:hello -@all +psync +replconf +ping +info +role +slaveof +replicaof +config|rewrite" +
		" +client|kill +client|setname +client|pause +client|unpause +multi +exec +publish +subscribe +script|kill +cluster|failover"
	probeRights = "resetkeys resetchannels -@all +ping +role"
	// sentinelHubRights are for everyone who reaches a Sentinel: where the primary is is no secret, and hub servers cannot change a
	// password for Sentinels while they run.
	sentinelHubRights = "resetchannels -@all +ping +sentinel|master +sentinel|get-master-addr-by-name"
)

// replicatedSecret are the values of the Secret with modes Sentinel and Cluster.
func replicatedSecret(state rotation.Secret) map[string][]byte {
	hub, operator, internal := RedisAccounts(state)
	data := secretData(state, rootKey, otherRootKey)
	for key, text := range map[string]string{
		PasswordKey:         hub.Passwords[0],
		internalPasswordKey: internal.Passwords[0],
		replicationKey:      fmt.Sprintf("masteruser %s\nmasterauth %s\n", internal.User, internal.Passwords[0]),
		sentinelPeersKey:    fmt.Sprintf("sentinel sentinel-user %s\nsentinel sentinel-pass %s\n", internal.User, internal.Passwords[0]),
		aclKey: aclUser(hub.User, hubRights, hub.Passwords...) + aclUser(operator.User, operatorRights, operator.Passwords...) +
			aclUser(internal.User, internalRights, internal.Passwords...) + aclUser(ProbeUser, probeRights),
		sentinelACLKey: aclUser(RedisHubUser, sentinelHubRights) + aclUser(operator.User, operatorRights, operator.Passwords...) +
			aclUser(internal.User, operatorRights, internal.Passwords...),
	} {
		data[key] = []byte(text)
	}
	return data
}

// aclUser is a line of an ACL file: a user with the hashes of passwords, or one who needs none.
func aclUser(name, rights string, passwords ...string) string {
	words := []string{"user", name, "on"}
	if len(passwords) == 0 {
		words = append(words, "nopass")
	}
	for _, password := range passwords {
		sum := sha256.Sum256([]byte(password))
		words = append(words, "#"+hex.EncodeToString(sum[:]))
	}
	return strings.Join(append(words, rights), " ") + "\n"
}
