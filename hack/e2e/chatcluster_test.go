package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/hack/e2e/crowd"
)

// rate is how many messages a second the crowd says while it is disturbed.
const rate = 20

// TestChatCluster installs the chart and goes through the life of a ChatCluster.
func TestChatCluster(t *testing.T) {
	s := newSuite(t)
	defer s.print(t, "disturbances")
	s.install(t)
	t.Run("clients on different pods chat through the Service", s.testChat)
	t.Run("every form of Redis carries the chat", s.testForms)
	t.Run("a hub of a user's own runs in a ChatCluster", s.testExample)
	t.Run("a manifest that is wrong is refused with the reason", s.testRefusals)
	t.Run("the first ChatCluster comes from values", s.testFirstChatCluster)
	t.Run("uninstalling leaves what does not belong to the release", s.testUninstall)
}

// threeHubs is the spec of most tests.
func threeHubs() v1alpha1.ChatClusterSpec {
	return v1alpha1.ChatClusterSpec{
		Replicas: new(int32(3)),
		Drain:    v1alpha1.DrainSpec{PeriodSeconds: new(int32(5)), TimeoutSeconds: 15},
		Rollout:  v1alpha1.RolloutSpec{MinReadySeconds: new(int32(3))},
		Redis:    v1alpha1.RedisSpec{Storage: &v1alpha1.RedisStorage{Size: resource.MustParse("64Mi")}},
		Hub: v1alpha1.HubSpec{Env: []corev1.EnvVar{{
			Name:      "CHATCLUSTER_SERVER_NAME", // what the clients hear as the server of a message
			ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}},
		}}},
	}
}

func (s *suite) testChat(t *testing.T) {
	c := s.newChat(t, "demo")
	t.Logf("from apply to Ready: %v", c.apply(t, threeHubs()).Round(100*time.Millisecond))
	javaScript, goClients := 10, 20
	if s.full {
		javaScript, goClients = 50, 50
	}
	people := c.gatherSpread(t, crowd.Options{URL: c.url(t, "/chatHub"), Go: goClients, JavaScript: javaScript})
	c.expectAllHear(t, people, 3)
	c.disturbAll(t, people, "", c.disturbances())
	c.expectAllHear(t, people, 2) // of a roll-out's last hub server all clients may have stayed away
	c.testNodes(t, crowd.Options{Go: goClients, JavaScript: javaScript})
	c.testAudiences(t)
	c.testDeletion(t, people)
}

// expectAllHear checks that all clients hear each other, and that so many hub servers have some of them: where, kube-proxy decides.
func (c *chat) expectAllHear(t *testing.T, people *crowd.Crowd, servers int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := people.RollCall(ctx)
	if want := people.Size() * people.Size(); got.Expected != want || got.Lost+got.Doubled+got.Failed != 0 {
		t.Errorf("the roll call of %d clients ends with %+v", people.Size(), got)
	}
	pods, err := c.hubPods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, pod := range pods {
		names = append(names, pod.Name)
	}
	if len(got.Servers) < servers || slices.ContainsFunc(got.Servers, func(name string) bool { return !slices.Contains(names, name) }) {
		t.Errorf("the clients are on %q, want %d or more of the pods %q", got.Servers, servers, names)
	}
	t.Logf("%d clients on %d hub servers hear each other", people.Size(), len(got.Servers))
}

// testDeletion deletes the ChatCluster: its clients lose their connections, and nothing of it stays.
func (c *chat) testDeletion(t *testing.T, people *crowd.Crowd) {
	object, err := c.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	await(t, "the end of all that the operator made", patience, func(ctx context.Context) (string, error) {
		for what, list := range map[string]ctrl.ObjectList{
			"pods": &corev1.PodList{}, "Deployments": &appsv1.DeploymentList{}, "StatefulSets": &appsv1.StatefulSetList{},
			"Services": &corev1.ServiceList{}, "Secrets": &corev1.SecretList{}, "ConfigMaps": &corev1.ConfigMapList{},
			"volumes": &corev1.PersistentVolumeClaimList{},
		} {
			if err := c.client.List(ctx, list, ctrl.InNamespace(c.namespace), ctrl.MatchingLabels{v1alpha1.LabelInstance: c.name}); err != nil {
				return "", err
			}
			if left := meta.LenList(list); left > 0 {
				return what + " are left", nil
			}
		}
		return "", nil
	})
	if connected := people.Connected(); connected != 0 {
		t.Errorf("%d clients think that they are connected to a ChatCluster that is gone", connected)
	}
}

// testExample runs the program that the README shows.
func (s *suite) testExample(t *testing.T) {
	if s.images.example == "" {
		t.Skip("E2E_EXAMPLE_IMAGE is not set")
	}
	c := s.newChat(t, "own")
	spec := v1alpha1.ChatClusterSpec{Replicas: new(int32(2))}
	spec.Hub.Image = s.images.example
	c.apply(t, spec)
	people := s.gather(t, crowd.Options{URL: c.url(t, "/chat"), Go: 8, JavaScript: 2})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if got := people.RollCall(ctx); got.Lost+got.Doubled+got.Failed != 0 || got.Said != people.Size() {
		t.Errorf("the roll call ends with %+v", got)
	}
}

// testRefusals applies what nobody should.
func (s *suite) testRefusals(t *testing.T) {
	c := s.newChat(t, "wrong")
	for want, change := range map[string]func(*v1alpha1.ChatCluster){
		"name must be that of a Service": func(o *v1alpha1.ChatCluster) { o.Name = "1st" },
		"should be less than or equal to 1000": func(o *v1alpha1.ChatCluster) {
			o.Spec.Replicas = new(int32(1001))
		},
		"autoscaling.minReplicas must not be greater": func(o *v1alpha1.ChatCluster) {
			o.Spec.Autoscaling = &v1alpha1.AutoscalingSpec{MinReplicas: 3, MaxReplicas: 2, ConnectionsPerReplica: 10}
		},
		"redis.external is needed with mode External": func(o *v1alpha1.ChatCluster) { o.Spec.Redis.Mode = v1alpha1.RedisExternal },
		"corsOrigins": func(o *v1alpha1.ChatCluster) { o.Spec.Hub.CORSOrigins = []string{"*"} },
	} {
		object := &v1alpha1.ChatCluster{}
		object.Namespace, object.Name, object.Spec.Replicas = c.namespace, "wrong", new(int32(1))
		change(object)
		if err := c.client.Create(t.Context(), object); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("creating gives %v, want a refusal that says %q", err, want)
		}
	}
}

// testFirstChatCluster lets the chart make a ChatCluster and sends a message through it with helm test.
func (s *suite) testFirstChatCluster(t *testing.T) {
	t.Log(s.runHelm(t, append(s.upgradeArguments(chart), "--set", "chatCluster.create=true", "--set-string", "chatCluster.name=first")...))
	first := &chat{suite: s, namespace: operatorNamespace, name: "first"}
	if err := first.awaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Log(s.runHelm(t, "test", release, "--namespace", operatorNamespace, "--timeout", "5m"))
	s.runHelm(t, append(s.upgradeArguments(chart), "--set", "chatCluster.create=false")...)
	await(t, "the end of the first ChatCluster", patience, func(ctx context.Context) (string, error) {
		_, err := first.get(ctx)
		if err == nil {
			return "it is still there", nil
		}
		return "", ctrl.IgnoreNotFound(err)
	})
}

// testUninstall checks that nothing of the release is left but the kind, that a ChatCluster outlives the operator, and that the
// next operator finds it again.
func (s *suite) testUninstall(t *testing.T) {
	c := s.newChat(t, "kept")
	c.apply(t, v1alpha1.ChatClusterSpec{Replicas: new(int32(1))})
	people := s.gather(t, crowd.Options{URL: c.url(t, "/chatHub"), Go: 4})
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	got, err := people.Talk(ctx, rate, func(ctx context.Context) error {
		text, err := s.tryHelm(ctx, "uninstall", release, "--namespace", operatorNamespace, "--wait")
		if err != nil {
			return fmt.Errorf("helm uninstall: %w\n%s", err, text)
		}
		return nil
	})
	s.table.add("chart uninstalled", got)
	if reason := unnoticed.broken(got); err != nil || reason != "" {
		t.Errorf("without an operator, the chat goes on as %+v, %v", got, err)
	}
	if exists, err := s.kindExists(t.Context()); err != nil || !exists {
		t.Errorf("after helm uninstall the kind exists: %v, %v; want that it is kept", exists, err)
	}
	await(t, "the end of all that belongs to the release", patience, func(ctx context.Context) (string, error) {
		left, err := s.labelled(ctx, v1alpha1.LabelInstance, release)
		if err != nil {
			return "", err
		}
		leases, err := s.kubernetes.CoordinationV1().Leases(operatorNamespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return "", fmt.Errorf("listing leases: %w", err)
		}
		for _, lease := range leases.Items { // no chart knows of it: it is of the operator's ServiceAccount
			left = append(left, "Lease "+lease.Name)
		}
		return strings.Join(left, ", "), nil
	})
	s.runHelm(t, s.upgradeArguments(chart)...)
	if err := c.scale(t.Context(), 2); err != nil {
		t.Errorf("the next operator: %v", err)
	}
}

// TestTheExampleIsTheOneOfTheREADME keeps the program that is tested the one that people read.
func TestTheExampleIsTheOneOfTheREADME(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("example/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+string(program)+"```\n") {
		t.Error("the README does not show hack/e2e/example/main.go")
	}
}
