package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/hack/e2e/crowd"
)

// chat is a ChatCluster of a test.
type chat struct {
	*suite
	namespace, name string
	// issue makes another certificate for Redis; nil without TLS.
	issue func() (map[string][]byte, error)
}

// newChat makes a namespace for a ChatCluster of that name. Both are gone when the test ends.
func (s *suite) newChat(t *testing.T, name string) *chat {
	t.Helper()
	return s.newChatIn(t, "", name)
}

// newChatIn is newChat in a namespace of that name, if it is not "".
func (s *suite) newChatIn(t *testing.T, in, name string) *chat {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name:   in,
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if in == "" {
		namespace.GenerateName = "e2e-"
	}
	if err := s.client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	c := &chat{suite: s, namespace: namespace.Name, name: name}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if t.Failed() {
			s.collect(ctx, t, namespace.Name, operatorNamespace)
		}
		if err := s.client.Delete(ctx, namespace); err != nil {
			t.Errorf("deleting the namespace: %v", err)
		}
	})
	return c
}

// apply makes the ChatCluster and returns how long it took until it was Ready.
func (c *chat) apply(t *testing.T, spec v1alpha1.ChatClusterSpec) time.Duration {
	t.Helper()
	spec.Service.Type = "NodePort"
	begin := time.Now()
	object := &v1alpha1.ChatCluster{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: c.name}, Spec: spec}
	if err := c.client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if err := c.awaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return time.Since(begin)
}

func (c *chat) get(ctx context.Context) (*v1alpha1.ChatCluster, error) {
	object := &v1alpha1.ChatCluster{}
	return object, c.client.Get(ctx, ctrl.ObjectKey{Namespace: c.namespace, Name: c.name}, object)
}

func (c *chat) change(ctx context.Context, change func(*v1alpha1.ChatCluster)) error {
	object, err := c.get(ctx)
	if err != nil {
		return err
	}
	before := object.DeepCopy()
	change(object)
	return c.client.Patch(ctx, object, ctrl.MergeFrom(before))
}

// scale does what kubectl scale does.
func (c *chat) scale(ctx context.Context, replicas int32) error {
	object, err := c.get(ctx)
	if err != nil {
		return err
	}
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	if err := c.client.SubResource("scale").Patch(ctx, object, ctrl.RawPatch("application/merge-patch+json", patch)); err != nil {
		return err
	}
	if err := c.awaitReady(ctx); err != nil {
		return err
	}
	return awaitError(ctx, fmt.Sprintf("scaling to %d", replicas), patience, func(ctx context.Context) (string, error) {
		pods, err := c.allPods(ctx, v1alpha1.HubComponent)
		if err != nil || len(pods) == int(replicas) {
			return "", err
		}
		return fmt.Sprintf("there are %d hub servers, those that end included", len(pods)), nil
	})
}

// awaitReady waits until the ChatCluster says that all runs as its present spec says.
func (c *chat) awaitReady(ctx context.Context) error {
	return awaitError(ctx, c.name+" becoming Ready", patience, func(ctx context.Context) (string, error) {
		object, err := c.get(ctx)
		if err != nil {
			return "", err
		}
		ready := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionReady)
		switch {
		case ready == nil:
			return "it has no condition Ready", nil
		case ready.ObservedGeneration != object.Generation:
			return "the operator has not seen the last change", nil
		case ready.Status != metav1.ConditionTrue:
			return ready.Reason + ": " + ready.Message, nil
		}
		return "", nil
	})
}

// hubPods are the pods of hub servers that do not end, the oldest first.
func (c *chat) hubPods(ctx context.Context) ([]corev1.Pod, error) {
	return c.pods(ctx, v1alpha1.HubComponent)
}

func (c *chat) allPods(ctx context.Context, component string) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := c.client.List(ctx, &list, ctrl.InNamespace(c.namespace),
		ctrl.MatchingLabels{v1alpha1.LabelInstance: c.name, v1alpha1.LabelComponent: component})
	return list.Items, err
}

func (c *chat) pods(ctx context.Context, component string) ([]corev1.Pod, error) {
	pods, err := c.allPods(ctx, component)
	pods = slices.DeleteFunc(pods, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil })
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return pods, err
}

// killHub ends the oldest hub server at once, as the loss of its node would.
func (c *chat) killHub(ctx context.Context) error {
	pods, err := c.hubPods(ctx)
	if err != nil {
		return err
	}
	if len(pods) == 0 {
		return errors.New("there is no hub server")
	}
	return c.killPod(ctx, &pods[0], c.hubPods)
}

// killPod kills one of the pods that list returns, and returns when there are as many ready ones again as before.
func (c *chat) killPod(ctx context.Context, pod *corev1.Pod, list func(context.Context) ([]corev1.Pod, error)) error {
	return c.killPods(ctx, []corev1.Pod{*pod}, list)
}

// killPods is killPod for several at once.
func (c *chat) killPods(ctx context.Context, pods []corev1.Pod, list func(context.Context) ([]corev1.Pod, error)) error {
	before, err := list(ctx)
	if err != nil {
		return err
	}
	for i := range pods {
		// Without any grace the pod would be gone from the API server before its processes are, and whatever clients notice would
		// come after all seems well.
		if err := c.client.Delete(ctx, &pods[i], ctrl.GracePeriodSeconds(1)); err != nil {
			return err
		}
	}
	for i := range pods {
		if err := c.awaitEnd(ctx, &pods[i]); err != nil {
			return err
		}
	}
	err = awaitError(ctx, "other pods in the place of those killed", patience, func(ctx context.Context) (string, error) {
		now, err := list(ctx)
		if err != nil || len(now) >= len(before) && !slices.ContainsFunc(now, notReady) {
			return "", err
		}
		return fmt.Sprintf("there are %d pods, some not ready", len(now)), nil
	})
	if err != nil {
		return err
	}
	return c.awaitWorkloads(ctx)
}

// awaitEnd waits until a pod is gone, or another one has its name.
func (c *chat) awaitEnd(ctx context.Context, pod *corev1.Pod) error {
	return awaitError(ctx, "the end of "+pod.Name, patience, func(ctx context.Context) (string, error) {
		now := &corev1.Pod{}
		err := c.client.Get(ctx, ctrl.ObjectKeyFromObject(pod), now)
		switch {
		case apierrors.IsNotFound(err) || err == nil && now.UID != pod.UID:
			return "", nil
		case err != nil:
			return "", err
		}
		return "it is still there", nil
	})
}

func notReady(pod corev1.Pod) bool {
	return !slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// awaitWorkloads waits until all is as the spec says. First the operator must have acted on the last change, or what runs may
// be complete as it was before; then all pods must be ready, none ending: Kubernetes's own word, which comes before the
// ChatCluster's.
func (c *chat) awaitWorkloads(ctx context.Context) error {
	if err := c.awaitReady(ctx); err != nil {
		return err
	}
	err := awaitError(ctx, "all pods becoming ready", patience, func(ctx context.Context) (string, error) {
		var deployments appsv1.DeploymentList
		var sets appsv1.StatefulSetList
		if err := errors.Join(c.client.List(ctx, &deployments, ctrl.InNamespace(c.namespace)), c.client.List(ctx, &sets, ctrl.InNamespace(c.namespace))); err != nil {
			return "", err
		}
		for _, d := range deployments.Items {
			want := *d.Spec.Replicas
			if d.Status.ObservedGeneration != d.Generation || d.Status.UpdatedReplicas != want || d.Status.ReadyReplicas != want || d.Status.Replicas != want {
				return d.Name + " is not complete", nil
			}
		}
		for _, s := range sets.Items {
			if s.Status.ObservedGeneration != s.Generation || s.Status.ReadyReplicas != *s.Spec.Replicas {
				return s.Name + " is not complete", nil
			}
		}
		pods, err := c.allPods(ctx, v1alpha1.HubComponent)
		for _, pod := range pods {
			if pod.DeletionTimestamp != nil {
				return pod.Name + " has not ended yet", nil
			}
		}
		return "", err
	})
	if err != nil {
		return err
	}
	if err := c.awaitRedis(ctx); err != nil {
		return err
	}
	return c.awaitReady(ctx)
}

// awaitRedis waits until each hub server says that it is connected to Redis. They stay ready while they are not, and each comes
// back in its own time.
func (c *chat) awaitRedis(ctx context.Context) error {
	return awaitError(ctx, "all hub servers being connected to Redis", patience, func(ctx context.Context) (string, error) {
		pods, err := c.hubPods(ctx)
		if err != nil {
			return "", err
		}
		for _, pod := range pods {
			text, err := c.kubernetes.CoreV1().RESTClient().Get().Namespace(pod.Namespace).Resource("pods").Name(pod.Name+":8080").
				SubResource("proxy").Suffix("readyz").Param("verbose", "").DoRaw(ctx)
			if err != nil {
				return "", err
			}
			if !strings.Contains(string(text), "[+] redis: ") {
				return fmt.Sprintf("%s says %q", pod.Name, text), nil
			}
		}
		return "", nil
	})
}

// restartOperator kills the operator's pods and waits until another one works.
func (s *suite) restartOperator(ctx context.Context) error {
	var list corev1.PodList
	labels := ctrl.MatchingLabels{v1alpha1.LabelName: "chatcluster-operator"}
	if err := s.client.List(ctx, &list, ctrl.InNamespace(operatorNamespace), labels); err != nil {
		return err
	}
	for i := range list.Items {
		if err := ctrl.IgnoreNotFound(s.client.Delete(ctx, &list.Items[i], ctrl.GracePeriodSeconds(0))); err != nil {
			return err
		}
	}
	return s.awaitOperator(ctx)
}

func (s *suite) awaitOperator(ctx context.Context) error {
	return awaitError(ctx, "the operator becoming available", patience, func(ctx context.Context) (string, error) {
		var list appsv1.DeploymentList
		labels := ctrl.MatchingLabels{v1alpha1.LabelName: "chatcluster-operator"}
		if err := s.client.List(ctx, &list, ctrl.InNamespace(operatorNamespace), labels); err != nil {
			return "", err
		}
		if len(list.Items) != 1 || list.Items[0].Status.AvailableReplicas == 0 {
			return "no operator is available", nil
		}
		return "", nil
	})
}

// url is where clients outside of the cluster reach the hub: the node port of a node that answers there.
func (c *chat) url(t *testing.T, path string) string {
	t.Helper()
	var service corev1.Service
	if err := c.client.Get(t.Context(), ctrl.ObjectKey{Namespace: c.namespace, Name: c.name}, &service); err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(int(service.Spec.Ports[0].NodePort))
	found := ""
	await(t, "a node port answering", patience, func(ctx context.Context) (string, error) {
		addresses, err := c.nodeAddresses(ctx)
		if err != nil {
			return "", err
		}
		for _, address := range addresses {
			if found = "http://" + net.JoinHostPort(address, port); answers(ctx, found+"/readyz") {
				return "", nil
			}
		}
		return fmt.Sprintf("none of %q answers on port %s; set E2E_NODE_ADDRESS", addresses, port), nil
	})
	return found + path
}

func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (s *suite) nodeAddresses(ctx context.Context) ([]string, error) {
	if address := os.Getenv("E2E_NODE_ADDRESS"); address != "" {
		return []string{address}, nil
	}
	var nodes corev1.NodeList
	if err := s.client.List(ctx, &nodes); err != nil {
		return nil, err
	}
	var addresses []string
	for _, node := range nodes.Items {
		for _, address := range node.Status.Addresses {
			if address.Type == corev1.NodeInternalIP {
				addresses = append(addresses, address.Address)
			}
		}
	}
	return addresses, nil
}

// gatherSpread lets a crowd connect when the Service leads to all of the hub servers: nodes learn of servers a moment after
// these are ready, and clients that come at once would all be on the first.
func (c *chat) gatherSpread(t *testing.T, options crowd.Options) *crowd.Crowd {
	t.Helper()
	pods, err := c.hubPods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	servers := len(pods)
	await(t, fmt.Sprintf("the Service leading to %d hub servers", servers), patience, func(ctx context.Context) (string, error) {
		few, err := crowd.Start(ctx, crowd.Options{URL: options.URL, Go: 10, Log: t.Logf})
		if err != nil {
			return "", err
		}
		defer few.Stop()
		if seen := few.RollCall(ctx).Servers; len(seen) < servers {
			return fmt.Sprintf("all clients are on %q", seen), nil
		}
		return "", nil
	})
	return c.gather(t, options)
}

// gather brings a crowd to a hub. It leaves when the test ends.
func (s *suite) gather(t *testing.T, options crowd.Options) *crowd.Crowd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	options.JavaScriptFolder, options.Log = "../clients/javascript", t.Logf
	people, err := crowd.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(people.Stop)
	return people
}
