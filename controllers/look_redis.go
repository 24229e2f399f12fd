package controllers

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/redisform"
	"github.com/chatcluster/chatcluster/controllers/rotation"
)

// RedisHands see the Redis servers and Sentinels of one ChatCluster, and change them.
type RedisHands interface {
	// Observe asks all members, and returns in a few seconds whoever answers.
	Observe(ctx context.Context, wanted redisform.Wanted, members []redisform.Member) redisform.Facts
	// Carry does one step of a plan.
	Carry(ctx context.Context, facts redisform.Facts, wanted redisform.Wanted, step redisform.Step) error
}

// RedisAccess is how the Redis of a ChatCluster is reached.
type RedisAccess struct {
	// Operator is the user to log in as, Internal the one that servers and Sentinels are to each other.
	Operator, Internal children.RedisAccount
	// Users are the passwords that are good, by the names of users.
	Users map[string][]string
	// TLS is nil without.
	TLS *tls.Config
}

// redisView is how a Redis of several servers is and what is to be done about it.
type redisView struct {
	hands   RedisHands
	wanted  redisform.Wanted
	facts   redisform.Facts
	outcome redisform.Outcome
}

func (r *Reconciler) lookAtRedis(ctx context.Context, s *scope) (err error) {
	if !s.wanted.Managed() {
		return nil
	}
	s.facts.redisSets = map[string]*appsv1.StatefulSet{}
	for _, set := range children.RedisSets(s.wanted) {
		found, err := get(ctx, r.Client, newStatefulSet(), s.cluster.Namespace, set.Name)
		if err != nil {
			return err
		}
		if found != nil {
			s.facts.redisSets[set.Name] = found
		}
	}
	if s.facts.redisPods, err = r.pods(ctx, s, v1alpha1.RedisComponent); err != nil {
		return err
	}
	if s.facts.redisCertificate, err = r.redisCertificate(ctx, s); err != nil {
		return err
	}
	if !s.wanted.Replicated() {
		return nil
	}
	if s.cluster.Spec.Redis.Sentinel != nil {
		if s.facts.sentinels, err = get(ctx, r.Client, newStatefulSet(), s.cluster.Namespace, children.SentinelName(s.cluster.Name)); err != nil {
			return err
		}
		if s.facts.sentinelPods, err = r.pods(ctx, s, v1alpha1.SentinelComponent); err != nil {
			return err
		}
	}
	return r.askRedis(ctx, s)
}

// askRedis asks all servers how they are, and plans what to do. Before there are passwords there is nobody to ask.
func (r *Reconciler) askRedis(ctx context.Context, s *scope) error {
	certificate := s.facts.redisCertificate
	if certificate == nil {
		return nil // the step that finds what the spec refers to says what is missing
	}
	// Before there are passwords, too: what Sentinels are made with at first must be what they are compared with later.
	s.wanted.RedisCertificate = certificate.digest
	secret, err := get(ctx, r.Client, &corev1.Secret{}, s.cluster.Namespace, children.RedisAuthName(s.cluster.Name))
	if err != nil {
		return err
	}
	state := children.ReadRedisAuth(s.cluster.Spec.Redis, secret)
	if state.Current == "" {
		return nil
	}
	settled := settling(state, s)
	access := accessTo(state, settled)
	access.TLS = certificate.config()
	view := &redisView{hands: r.Hands(access), wanted: redisWanted(s.cluster, settled, certificate.digest)}
	view.facts = view.hands.Observe(ctx, view.wanted, redisMembers(s.wanted, s.facts))
	view.outcome = redisform.Plan(s.now, view.facts, view.wanted, readNotes(s.cluster.Status.Redis.Notes))
	s.facts.replicated = view
	s.lookAgain(view.outcome.Again)
	return nil
}

// redisCertificate is what servers and Sentinels should show: an empty one without TLS, nil if there is none yet.
func (r *Reconciler) redisCertificate(ctx context.Context, s *scope) (*certificate, error) {
	if s.cluster.Spec.Redis.TLS == nil {
		return &certificate{}, nil
	}
	found, err := r.Certificates.find(ctx, certificateOf{s.key(), s.cluster.Spec.Redis.TLS.SecretName})
	if err != nil || found == nil {
		return nil, err
	}
	secret, err := get(ctx, r.Client, &corev1.Secret{}, s.cluster.Namespace, children.RedisAuthName(s.cluster.Name))
	if err != nil || secret == nil {
		return found, err
	}
	return found.alsoBy(secret.Data[children.AuthoritiesKey]), nil
}

// redisTLS is how to connect to the one Redis server; nil without TLS.
func (s *scope) redisTLS() *tls.Config {
	if s.facts.redisCertificate == nil {
		return nil
	}
	secure := s.facts.redisCertificate.config()
	if secure != nil {
		secure.ServerName = children.RedisServiceHost(s.wanted)
	}
	return secure
}

// settling is the state with the passwords that are to be good now: without the last one once its time is over.
func settling(state rotation.Secret, s *scope) rotation.Secret {
	if announced := redisPasswordRules().Announce(state, s.now); len(announced) == 1 && !missedRedisPassword(s, state) {
		state.Other = ""
	}
	return state
}

// accessTo logs in with all passwords of state, one of which each server takes, and lets users have those of settled only.
func accessTo(state, settled rotation.Secret) RedisAccess {
	_, operator, internal := children.RedisAccounts(state)
	access := RedisAccess{Operator: operator, Internal: internal, Users: map[string][]string{}}
	for _, account := range accounts(settled) {
		access.Users[account.User] = account.Passwords
	}
	return access
}

// accounts are all users of Redis that the operator keeps.
func accounts(state rotation.Secret) []children.RedisAccount {
	hub, operator, internal := children.RedisAccounts(state)
	return []children.RedisAccount{hub, operator, internal}
}

// readNotes returns what the last plan wanted to be remembered. Nothing is lost if somebody broke it, but decisions take longer.
func readNotes(notes string) redisform.Memory {
	var memory redisform.Memory
	if json.Unmarshal([]byte(notes), &memory) != nil {
		return redisform.Memory{}
	}
	return memory
}

func writeNotes(memory redisform.Memory) (string, error) {
	notes, err := json.Marshal(memory)
	if err != nil {
		return "", fmt.Errorf("encode what is to be remembered of Redis: %w", err)
	}
	return string(notes), nil
}
