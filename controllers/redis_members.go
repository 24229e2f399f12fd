package controllers

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/redisform"
	"github.com/chatcluster/chatcluster/controllers/rotation"
)

// redisMembers are all Redis servers and Sentinels that should be, whether they are there or not, and those that are to go.
func redisMembers(wanted children.Wanted, facts facts) []redisform.Member {
	var members []redisform.Member
	cluster := wanted.Cluster
	wanted.RedisServers = 0 // those of the spec, not those that may be there for now
	for _, set := range children.RedisSets(wanted) {
		pods := podsOf(facts.redisPods, set.Name)
		for index := range max(set.Replicas, above(pods)) {
			member := redisform.Member{
				Name: set.Pod(index), Kind: redisform.ServerKind, Ordinal: set.Ordinal(index),
				Host: children.RedisHost(wanted, set.Pod(index)), Port: children.RedisPort, Wanted: index < set.Replicas,
			}
			if pod := pods[index]; pod != nil || member.Wanted {
				members = append(members, withPod(member, pod, facts.redisSets[set.Name]))
			}
		}
	}
	// The first ones become the primaries of a new Cluster: those of different shards.
	slices.SortFunc(members, func(a, b redisform.Member) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	if cluster.Spec.Redis.Sentinel == nil {
		return members
	}
	pods, count := podsOf(facts.sentinelPods, children.SentinelName(cluster.Name)), cluster.Spec.Redis.Sentinel.Sentinels
	for index := range max(count, above(pods)) {
		name := children.SentinelPod(cluster.Name, index)
		member := redisform.Member{
			Name: name, Kind: redisform.SentinelKind, Ordinal: int(index),
			Host: children.SentinelHost(wanted, name), Port: children.SentinelPort, Wanted: index < count,
		}
		if pod := pods[index]; pod != nil || member.Wanted {
			members = append(members, withPod(member, pod, facts.sentinels))
		}
	}
	return members
}

// podsOf finds the pods of a StatefulSet by their numbers.
func podsOf(pods []*corev1.Pod, set string) map[int32]*corev1.Pod {
	found := map[int32]*corev1.Pod{}
	for _, pod := range pods {
		number, isNumbered := strings.CutPrefix(pod.Name, set+"-")
		if index, err := strconv.ParseInt(number, 10, 32); isNumbered && err == nil && index >= 0 {
			found[int32(index)] = pod
		}
	}
	return found
}

// above is more than any of the numbers.
func above(pods map[int32]*corev1.Pod) int32 {
	most := int32(0)
	for index := range pods {
		most = max(most, index+1)
	}
	return most
}

// withPod adds what is known of a member from its pod, which may be nil.
func withPod(member redisform.Member, pod *corev1.Pod, set *appsv1.StatefulSet) redisform.Member {
	if pod == nil {
		return member
	}
	if member.IP = pod.Status.PodIP; member.IP != "" {
		member.Address = net.JoinHostPort(member.IP, strconv.Itoa(member.Port))
	}
	member.Machine = pod.Spec.NodeName
	member.Ending = ending(pod)
	member.Outdated = set != nil && outdated(pod, set)
	member.Failing = failing(pod)
	return member
}

// outdated tells whether a pod is of an older template than the one that the StatefulSet has now.
func outdated(pod *corev1.Pod, set *appsv1.StatefulSet) bool {
	revision := set.Status.UpdateRevision
	return set.Status.ObservedGeneration == set.Generation && revision != "" && pod.Labels[appsv1.ControllerRevisionHashLabelKey] != revision
}

// redisWanted is what the servers should be, for redisform. state is the secret of Redis with the passwords that are good now, and
// certificate the digest of the one that servers should show.
func redisWanted(cluster *v1alpha1.ChatCluster, state rotation.Secret, certificate string) redisform.Wanted {
	redis := cluster.Spec.Redis
	wanted := redisform.Wanted{
		Form:        children.RedisForm(redis),
		Name:        children.RedisPrimaryName(cluster),
		Persistent:  true,
		Settings:    children.RedisSettings(cluster.Spec),
		Passwords:   map[string][]string{},
		Certificate: certificate,
		AcceptLoss:  cluster.Annotations[v1alpha1.AnnotationAcceptRedisLoss] != "",
	}
	switch {
	case redis.Sentinel != nil:
		wanted.Quorum = int(redis.Sentinel.Majority())
	case redis.Cluster != nil:
		wanted.Shards = int(redis.Cluster.Shards)
	}
	for _, account := range accounts(state) {
		for _, password := range account.Passwords {
			wanted.Passwords[account.User] = append(wanted.Passwords[account.User], redisform.Digest(password))
		}
	}
	_, _, internal := children.RedisAccounts(state)
	wanted.InternalPassword = redisform.Digest(internal.Passwords[0])
	return wanted
}

// knowPasswords tells whether all servers and Sentinels take the passwords that are wanted and no others, and use the wanted one
// towards each other. One that is away is not known to.
func knowPasswords(facts redisform.Facts, wanted redisform.Wanted) bool {
	know := func(member redisform.Member, answer redisform.Answer) bool {
		if !member.Wanted {
			return true
		}
		if !answer.Reached || answer.InternalPassword != wanted.InternalPassword {
			return false
		}
		for user, passwords := range answer.Passwords {
			if want, kept := wanted.Passwords[user]; kept && !sameSet(passwords, want) {
				return false
			}
		}
		return true
	}
	for i := range facts.Servers {
		if !know(facts.Servers[i].Member, facts.Servers[i].Answer) {
			return false
		}
	}
	for i := range facts.Sentinels {
		if !know(facts.Sentinels[i].Member, facts.Sentinels[i].Answer) {
			return false
		}
	}
	return true
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
