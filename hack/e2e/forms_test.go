package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/hack/e2e/crowd"
)

// form is a way in which a ChatCluster has and uses its Redis.
type form struct {
	name string
	// mode is spec.redis.mode.
	mode string
	// specs are laid over that of threeHubs, in YAML. null takes a field away.
	specs []string
	// killed is what clients are promised when the Redis that takes writes is killed.
	killed promise
	// prepare makes what the form needs in the namespace.
	prepare func(c *chat, t *testing.T)
}

// forms are all but the one of testChat, which is Standalone with PubSub and a volume.
func forms() []form {
	return []form{
		{name: "in memory", mode: "Standalone", specs: []string{`redis: {storage: null}`}},
		{name: "Streams", mode: "Standalone", specs: []string{`backplane: {mode: Streams}`}, killed: losesNothing},
		{name: "External", mode: "External", prepare: (*chat).runOwnRedis,
			specs: []string{`redis: {mode: External, storage: null, external: {connection: {name: own-redis, key: connection}}}`}},
		{name: "Sentinel", mode: "Sentinel", specs: []string{`redis: {mode: Sentinel, sentinel: {}}`}},
		{name: "Sentinel, Streams", mode: "Sentinel", specs: []string{`{redis: {mode: Sentinel, sentinel: {}}, backplane: {mode: Streams}}`}},
		{name: "Cluster, Sharded", mode: "Cluster", specs: []string{`{redis: {mode: Cluster, cluster: {}}, backplane: {mode: Sharded}}`}},
	}
}

// testForms lets a crowd chat over each form of Redis, and kills the Redis that takes writes.
func (s *suite) testForms(t *testing.T) {
	known, err := s.redisModes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range forms() {
		t.Run(f.name, func(t *testing.T) {
			if !slices.Contains(known, f.mode) {
				t.Fatalf("the ChatCluster kind knows no Redis of mode %s, only %q", f.mode, known)
			}
			s.testForm(t, f)
		})
	}
}

func (s *suite) testForm(t *testing.T, f form) {
	c := s.newChat(t, "form")
	if f.prepare != nil {
		f.prepare(c, t)
	}
	took, err := c.applyForm(t, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("from apply to Ready: %v", took.Round(100*time.Millisecond))
	options := crowd.Options{URL: c.url(t, "/chatHub"), Go: 10, JavaScript: 5}
	if s.full {
		options.Go, options.JavaScript = 50, 50
	}
	people := c.gatherSpread(t, options)
	c.expectAllHear(t, people, 2)
	c.disturbAll(t, people, f.name, []disturbance{
		{name: "none", promise: unnoticed, full: true, do: func(ctx context.Context) error { return sleep(ctx, 5*time.Second) }},
		{name: "image changed", full: true, do: c.roll},
		{name: "Redis killed", do: c.killPrimary, promise: f.killed},
	})
	c.expectAllHear(t, people, 2)
}

// applyForm makes a ChatCluster of that form and returns how long it took until it was Ready.
func (c *chat) applyForm(t *testing.T, f form) (time.Duration, error) {
	t.Helper()
	spec := threeHubs()
	spec.Service.Type = "NodePort"
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&spec)
	if err != nil {
		return 0, err
	}
	for _, spec := range f.specs {
		var over map[string]any
		if err := yaml.UnmarshalStrict([]byte(spec), &over); err != nil {
			return 0, err
		}
		overlay(fields, over)
	}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("ChatCluster"))
	object.SetNamespace(c.namespace)
	object.SetName(c.name)
	begin := time.Now()
	strict := &ctrl.CreateOptions{Raw: &metav1.CreateOptions{FieldValidation: "Strict"}}
	if err := c.client.Create(t.Context(), object, strict); err != nil {
		return 0, err
	}
	if err := c.awaitTaken(t.Context()); err != nil {
		return 0, err
	}
	err = c.awaitReady(t.Context())
	return time.Since(begin), err
}

// awaitTaken waits until the operator has looked at the spec, and returns what it refuses.
func (c *chat) awaitTaken(ctx context.Context) error {
	refusal := ""
	err := awaitError(ctx, "the operator looking at "+c.name, patience, func(ctx context.Context) (string, error) {
		object, err := c.get(ctx)
		if err != nil {
			return "", err
		}
		ready := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil {
			return "it has no condition Ready", nil
		}
		if ready.Reason == v1alpha1.ReasonInvalidSpec {
			refusal = ready.Message
		}
		return "", nil
	})
	if refusal != "" {
		return errors.New(refusal)
	}
	return err
}

// overlay lays the fields of over over those of under.
func overlay(under, over map[string]any) {
	for key, value := range over {
		above, isObject := value.(map[string]any)
		below, wasObject := under[key].(map[string]any)
		switch {
		case value == nil:
			delete(under, key)
		case isObject && wasObject:
			overlay(below, above)
		default:
			under[key] = value
		}
	}
}

// redisModes are the values that the ChatCluster kind of the cluster takes for spec.redis.mode.
func (s *suite) redisModes(ctx context.Context) ([]string, error) {
	kind, err := s.kind(ctx)
	if err != nil {
		return nil, err
	}
	versions, _, err := unstructured.NestedSlice(kind.Object, "spec", "versions")
	if err != nil {
		return nil, err
	}
	var modes []string
	for _, version := range versions {
		fields, _ := version.(map[string]any)
		values, _, err := unstructured.NestedStringSlice(fields, "schema", "openAPIV3Schema",
			"properties", "spec", "properties", "redis", "properties", "mode", "enum")
		if err != nil {
			return nil, err
		}
		modes = append(modes, values...)
	}
	return modes, nil
}

// redisPods are those of the operator's Redis, or of a user's own.
func (c *chat) redisPods(ctx context.Context) ([]corev1.Pod, error) {
	pods, err := c.pods(ctx, v1alpha1.RedisComponent)
	if err != nil || len(pods) > 0 {
		return pods, err
	}
	var list corev1.PodList
	err = c.client.List(ctx, &list, ctrl.InNamespace(c.namespace), ctrl.MatchingLabels(ownRedisLabels()))
	return list.Items, err
}

// primary is the first pod that the status of the ChatCluster names as one that takes writes.
func (c *chat) primary(ctx context.Context) (string, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("ChatCluster"))
	if err := c.client.Get(ctx, ctrl.ObjectKey{Namespace: c.namespace, Name: c.name}, object); err != nil {
		return "", err
	}
	names, _, err := unstructured.NestedStringSlice(object.Object, "status", "redis", "primaries")
	if err != nil {
		return "", fmt.Errorf("reading the primaries in the status: %w", err)
	}
	if len(names) == 0 {
		return "", errors.New("the status names no primary")
	}
	return names[0], nil
}

func ownRedisLabels() map[string]string { return map[string]string{"app": "own-redis"} }

// runOwnRedis makes a Redis that the operator knows nothing of, as a user would, and the Secret that says where it is.
func (c *chat) runOwnRedis(t *testing.T) {
	t.Helper()
	labels := ownRedisLabels()
	redis := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "own-redis"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					SecurityContext: &corev1.PodSecurityContext{
						RunAsNonRoot: new(true), RunAsUser: new(int64(999)),
						SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
					},
					Containers: []corev1.Container{{
						Name: "redis", Image: c.images.redis, ImagePullPolicy: corev1.PullIfNotPresent, WorkingDir: "/tmp",
						Command: []string{"redis-server", "--save", "", "--protected-mode", "no"},
						SecurityContext: &corev1.SecurityContext{
							AllowPrivilegeEscalation: new(false),
							Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
						},
					}},
				},
			},
		},
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "own-redis"},
		Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 6379, TargetPort: intstr.FromInt32(6379)}}},
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "own-redis"},
		StringData: map[string]string{"connection": "own-redis:6379"},
	}
	for _, object := range []ctrl.Object{redis, service, secret} {
		if err := c.client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}
