package controllers

import (
	"context"
	"crypto/tls"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/rotation"
)

// hearOf is how long it takes at most until a pod has a new value of a Secret in its files: the kubelet looks once a minute, in
// a cache that is up to a minute old, and hub servers look at their files every few seconds.
const hearOf = 3 * time.Minute

// RedisTeller tells the one Redis server of a ChatCluster what is new, so that it need not be started again. It logs in with one
// of logins. secure is nil without TLS.
type RedisTeller interface {
	// TellPasswords makes the given passwords the only good ones.
	TellPasswords(ctx context.Context, cluster *v1alpha1.ChatCluster, secure *tls.Config, logins, passwords []string) error
	// Certify makes the server read its certificate again unless it shows the one with that digest, and reports whether it
	// showed it.
	Certify(ctx context.Context, cluster *v1alpha1.ChatCluster, secure *tls.Config, logins []string, digest string) (shown bool, err error)
}

// clusterKeyRules: nothing tells when all servers have heard of the next key. The old one is good for another hour, for
// clients whose tokens it proves.
func clusterKeyRules() rotation.Rules {
	return rotation.Rules{IntroduceFor: hearOf, RetireFor: time.Hour, HeardWithin: hearOf}
}

// redisPasswordRules: Redis is told about the next password and then knows it.
func redisPasswordRules() rotation.Rules {
	return rotation.Rules{RetireFor: hearOf, HeardWithin: hearOf}
}

// keepClusterKey makes the key by which hub servers prove connection tokens, once, and exchanges it when asked to.
func (r *Reconciler) keepClusterKey(ctx context.Context, s *scope) error {
	secret, err := r.ownSecret(ctx, s, children.ClusterKeyName(s.cluster.Name))
	if err != nil {
		return err
	}
	rules, state := clusterKeyRules(), children.ReadClusterKey(secret)
	known := !rules.Missed(state, s.facts.deafSince(s.now))
	state, again := rules.Next(state, s.cluster.Annotations[v1alpha1.AnnotationRotateClusterKey], known, s.now)
	s.rotates(state, again)
	return r.applySecret(ctx, s, children.ClusterKeyName(s.cluster.Name), children.ClusterKey(s.cluster, state))
}

// keepRedisPassword makes the password of the Redis that the operator runs, once, and exchanges it when asked to: Redis is
// told while it runs, so that it need not be started again.
func (r *Reconciler) keepRedisPassword(ctx context.Context, s *scope) error {
	if !s.wanted.Managed() {
		return nil
	}
	secret, err := r.ownSecret(ctx, s, children.RedisAuthName(s.cluster.Name))
	if err != nil {
		return err
	}
	rules, state := redisPasswordRules(), children.ReadRedisAuth(s.cluster.Spec.Redis, secret)
	known := !missedRedisPassword(s, state)
	switch passwords := rules.Announce(state, s.now); {
	case !known || passwords == nil:
	case s.facts.redisCertificate == nil: // without it the passwords would be sent to whoever answers, for all to read
		known = false
	case s.wanted.Replicated():
		// The plan for Redis tells them.
		known = s.facts.replicated != nil && knowPasswords(s.facts.replicated.facts, s.facts.replicated.wanted)
	default:
		// A server that has just started again with an older file may know the last password only.
		if err := r.Redis.TellPasswords(ctx, s.cluster, s.redisTLS(), state.Accepted(), passwords); err != nil {
			s.logger.Info("Redis was not told about its passwords", "reason", err.Error())
			known = false
		}
	}
	state, again := rules.Next(state, s.cluster.Annotations[v1alpha1.AnnotationRotateRedisPassword], known, s.now)
	if state.Stage == rotation.Introducing && again == 0 {
		again = time.Second // tell Redis at once, now that the Secret has it
	}
	s.rotates(state, again)
	s.wanted.RedisLineage = state.Lineage
	return r.applyRedisAuth(ctx, s, state)
}

// applyRedisAuth writes the passwords, and the authorities of all certificates that servers may still show.
func (r *Reconciler) applyRedisAuth(ctx context.Context, s *scope, state rotation.Secret) error {
	configuration := children.RedisAuth(s.cluster, state)
	if authorities := s.redisAuthorities(); len(authorities) > 0 {
		configuration.WithData(map[string][]byte{children.AuthoritiesKey: authorities})
	}
	if err := r.applySecret(ctx, s, children.RedisAuthName(s.cluster.Name), configuration); err != nil {
		return err
	}
	if secure := s.cluster.Spec.Redis.TLS; secure != nil && s.redisShows() {
		r.Certificates.settle(certificateOf{s.key(), secure.SecretName}, s.facts.redisCertificate)
	}
	return nil
}

// missedRedisPassword tells whether the last password is still used though its time is over: Redis takes the next one whoever has
// missed it, but it must not forget one that is used.
func missedRedisPassword(s *scope, state rotation.Secret) bool {
	return state.Stage == rotation.Retiring && redisPasswordRules().Missed(state, s.facts.deafSince(s.now))
}

// ownSecret reads a Secret that the operator made. One that the cache does not have is looked for at its source: a cache that
// lags behind must not make the operator think up another secret.
func (r *Reconciler) ownSecret(ctx context.Context, s *scope, name string) (*corev1.Secret, error) {
	secret, err := get(ctx, r.Client, &corev1.Secret{}, s.cluster.Namespace, name)
	if err != nil || secret != nil {
		return secret, err
	}
	secret, err = get(ctx, r.Uncached, &corev1.Secret{}, s.cluster.Namespace, name)
	if err != nil || secret != nil && !metav1.IsControlledBy(secret, s.cluster) {
		return nil, err // applying will say whose it is
	}
	return secret, nil
}

func (s *scope) rotates(state rotation.Secret, again time.Duration) {
	s.rotating = s.rotating || state.Stage != rotation.Settled
	s.lookAgain(again)
}

func (r *Reconciler) applySecret(ctx context.Context, s *scope, name string, configuration *coreac.SecretApplyConfiguration) error {
	outcome, err := r.Applier.Apply(ctx, s.cluster, configuration)
	if err != nil {
		return err
	}
	s.changes = append(s.changes, change{outcome, "Secret", name})
	return nil
}
