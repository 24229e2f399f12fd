package controllers

import (
	"context"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
)

// The kinds that a spec may refer to.
const (
	secretKind    = "Secret"
	configMapKind = "ConfigMap"
)

// reference is a value of a Secret or ConfigMap that a spec refers to.
type reference struct {
	kind, name string
	// key is empty for the whole object.
	key string
	// field is where the spec refers to it.
	field string
	// optional may be missing.
	optional bool
	// fixed is read by hub servers once, at their start: a new value replaces them.
	fixed bool
}

// referencesOf returns all that hub servers cannot start without, and what they read only once.
func referencesOf(spec v1alpha1.ChatClusterSpec) []reference {
	var all []reference
	if external := spec.Redis.External; external != nil {
		all = append(all, reference{kind: secretKind, name: external.Connection.Name, key: external.Connection.Key, field: "redis.external.connection"})
	}
	if authentication := spec.Hub.Authentication; authentication != nil {
		all = append(all, reference{kind: secretKind, name: authentication.Key.Name, key: authentication.Key.Key, field: "hub.authentication.key"})
	}
	if spec.Redis.TLS != nil {
		for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey, authorityKey} {
			all = append(all, reference{kind: secretKind, name: spec.Redis.TLS.SecretName, key: key, field: "redis.tls.secretName"})
		}
	}
	if spec.TLS != nil {
		for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
			all = append(all, reference{kind: secretKind, name: spec.TLS.SecretName, key: key, field: "tls.secretName"})
		}
	}
	for at, variable := range spec.Hub.Env {
		if variable.ValueFrom == nil {
			continue
		}
		field := fmt.Sprintf("hub.env[%d]", at)
		if from := variable.ValueFrom.SecretKeyRef; from != nil {
			all = append(all, reference{secretKind, from.Name, from.Key, field, from.Optional != nil && *from.Optional, true})
		}
		if from := variable.ValueFrom.ConfigMapKeyRef; from != nil {
			all = append(all, reference{configMapKind, from.Name, from.Key, field, from.Optional != nil && *from.Optional, true})
		}
	}
	return all
}

// findReferences looks whether all is there that the spec refers to, and makes a hash of what hub servers read of it once. Nothing
// is changed while something is missing: new pods would not start.
func (r *Reconciler) findReferences(ctx context.Context, s *scope) error {
	var content []string
	for _, wanted := range referencesOf(s.cluster.Spec) {
		hash, err := r.References.hash(ctx, s.key(), wanted)
		if err != nil {
			return err
		}
		if wanted.fixed {
			content = append(content, wanted.kind, wanted.name, wanted.key, hash)
		}
	}
	s.wanted.HubContent = children.Hash(content...)
	if tls := s.cluster.Spec.Redis.TLS; tls != nil && s.facts.redisCertificate == nil {
		return &referenceError{"redis.tls.secretName", fmt.Sprintf(
			"refers to Secret %s, whose %s or %s has no certificate in PEM", tls.SecretName, corev1.TLSCertKey, authorityKey)}
	}
	return nil
}

// References knows the values that specs refer to by their hashes. It watches the metadata of Secrets and ConfigMaps only, and
// reads one when it has changed. It may be used by many at a time.
type References struct {
	// Metadata has the metadata of all Secrets and ConfigMaps.
	Metadata client.Reader
	// Uncached reads them.
	Uncached client.Reader

	// mu guards known. It is not held while something is read.
	mu    sync.Mutex
	known map[referred]content
}

// referred is an object that a ChatCluster refers to, in its namespace.
type referred struct {
	by         types.NamespacedName
	kind, name string
}

// content is what was read of one version of an object.
type content struct {
	version string
	hashes  map[string]string
}

// hash returns the hash of a value; empty for an optional one that is missing.
func (r *References) hash(ctx context.Context, cluster types.NamespacedName, wanted reference) (string, error) {
	hashes, err := r.hashes(ctx, referred{cluster, wanted.kind, wanted.name})
	if err != nil {
		return "", err
	}
	hash, found := hashes[wanted.key]
	switch {
	case found, wanted.optional:
		return hash, nil
	case hashes == nil:
		return "", &referenceError{wanted.field, fmt.Sprintf("refers to %s %s, which is not there", wanted.kind, wanted.name)}
	}
	return "", &referenceError{wanted.field, fmt.Sprintf("refers to key %s of %s %s, which has no such key", wanted.key, wanted.kind, wanted.name)}
}

// hashes returns nil for an object that is not there.
func (r *References) hashes(ctx context.Context, object referred) (map[string]string, error) {
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(object.kind))
	err := r.Metadata.Get(ctx, types.NamespacedName{Namespace: object.by.Namespace, Name: object.name}, metadata)
	switch {
	case apierrors.IsNotFound(err):
		r.drop(func(known referred) bool { return known == object })
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look at %s %s: %w", object.kind, object.name, err)
	}
	version := string(metadata.UID) + "/" + metadata.ResourceVersion
	if hashes, known := r.remembered(object, version); known {
		return hashes, nil
	}
	read, err := r.read(ctx, object)
	if err != nil || read.hashes == nil {
		return nil, err
	}
	r.remember(object, read)
	return read.hashes, nil
}

func (r *References) read(ctx context.Context, object referred) (content, error) {
	switch object.kind {
	case secretKind:
		secret, err := get(ctx, r.Uncached, &corev1.Secret{}, object.by.Namespace, object.name)
		if err != nil || secret == nil {
			return content{}, err
		}
		return contentOf(secret, secret.Data, nil), nil
	default:
		configMap, err := get(ctx, r.Uncached, &corev1.ConfigMap{}, object.by.Namespace, object.name)
		if err != nil || configMap == nil {
			return content{}, err
		}
		return contentOf(configMap, configMap.BinaryData, configMap.Data), nil
	}
}

func contentOf(object client.Object, data map[string][]byte, texts map[string]string) content {
	hashes := make(map[string]string, len(data)+len(texts))
	for key, value := range data {
		hashes[key] = children.Hash(string(value))
	}
	for key, value := range texts {
		hashes[key] = children.Hash(value)
	}
	return content{string(object.GetUID()) + "/" + object.GetResourceVersion(), hashes}
}

func (r *References) remembered(object referred, version string) (map[string]string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, found := r.known[object]
	return known.hashes, found && known.version == version
}

func (r *References) remember(object referred, read content) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[referred]content{}
	}
	r.known[object] = read
}

// Forget drops what is known of what a ChatCluster referred to that is gone.
func (r *References) Forget(cluster types.NamespacedName) {
	r.drop(func(known referred) bool { return known.by == cluster })
}

func (r *References) drop(which func(referred) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.known, func(object referred, _ content) bool { return which(object) })
}
