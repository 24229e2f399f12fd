package e2e

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/hack/e2e/crowd"
)

const (
	// shortPause is less than clients wait for a silent server: they hear late, but they stay.
	shortPause = 20 * time.Second
	// longAbsence is more than clients (30 s of silence) and Kubernetes (50 s) wait: each notices by itself.
	longAbsence = 75 * time.Second
	// controlPlane is the label of nodes that run Kubernetes itself: those are left alone.
	controlPlane = "node-role.kubernetes.io/control-plane"
)

// nodeFaults are what happens to a node with hub servers and no Redis. All but the drain need nodes that are containers, as
// those of kind are.
func (c *chat) nodeFaults() []disturbance {
	return []disturbance{
		{name: "node paused for 20 s", full: true, do: c.onNode(c.pauseNode)},
		{name: "node cut off for 75 s", full: true, do: c.onNode(c.cutNodeOff)},
		{name: "node stopped for 75 s", full: true, do: c.onNode(c.stopNode)},
		{name: "node drained", do: c.onNode(c.drainNode)},
	}
}

// testNodes lets a crowd of its own, whose clients are on all hub servers, go through each fault of a node: those of a crowd that
// has been through one are where they fled to.
func (c *chat) testNodes(t *testing.T, options crowd.Options) {
	t.Helper()
	for _, fault := range c.nodeFaults() {
		if fault.full && !c.full {
			continue
		}
		options.URL = c.url(t, "/chatHub")
		people := c.gather(t, options)
		c.disturb(t, people, "", fault)
		people.Stop()
	}
}

// onNode does something to a node that has hub servers and can be spared, and waits until all is well again.
func (c *chat) onNode(do func(ctx context.Context, node *corev1.Node) error) func(context.Context) error {
	return c.onNodeOf(do, c.hubNode)
}

// onNodeOf does something to the node of that name and waits until all is well again.
func (c *chat) onNodeOf(
	do func(ctx context.Context, node *corev1.Node) error, choose func(context.Context) (string, error),
) func(context.Context) error {
	return func(ctx context.Context) error {
		name, err := choose(ctx)
		if err != nil {
			return err
		}
		node := &corev1.Node{}
		if err := c.client.Get(ctx, ctrl.ObjectKey{Name: name}, node); err != nil {
			return err
		}
		if err := do(ctx, node); err != nil {
			return fmt.Errorf("node %s: %w", node.Name, err)
		}
		if err := c.awaitNodes(ctx); err != nil {
			return err
		}
		return c.awaitWorkloads(ctx)
	}
}

// hubNode is a node that runs hub servers and can be spared: clients reach the Service through the control plane, and the
// volume of a Redis cannot leave its node.
func (c *chat) hubNode(ctx context.Context) (string, error) {
	redis, err := c.pods(ctx, v1alpha1.RedisComponent)
	if err != nil {
		return "", err
	}
	hubs, err := c.pods(ctx, v1alpha1.HubComponent)
	if err != nil {
		return "", err
	}
	var nodes corev1.NodeList
	if err := c.client.List(ctx, &nodes); err != nil {
		return "", err
	}
	for _, node := range nodes.Items {
		on := func(pod corev1.Pod) bool { return pod.Spec.NodeName == node.Name }
		if isWorker(node) && slices.ContainsFunc(hubs, on) && !slices.ContainsFunc(redis, on) {
			return node.Name, nil
		}
	}
	return "", fmt.Errorf("%w: no node has hub servers and neither Redis nor the control plane", errNotHere)
}

// drainNode does what kubectl drain and kubectl uncordon do.
func (c *chat) drainNode(ctx context.Context, node *corev1.Node) error {
	if err := c.cordon(ctx, node, true); err != nil {
		return err
	}
	err := awaitError(ctx, "the drain", patience, func(ctx context.Context) (string, error) {
		var list corev1.PodList
		if err := c.client.List(ctx, &list, ctrl.MatchingFields{"spec.nodeName": node.Name}); err != nil {
			return "", err
		}
		left := 0
		for _, pod := range list.Items {
			if metav1.GetControllerOf(&pod) == nil || metav1.GetControllerOf(&pod).Kind == "DaemonSet" {
				continue
			}
			left++
			if pod.DeletionTimestamp != nil {
				continue
			}
			eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
			err := c.client.SubResource("eviction").Create(ctx, &pod, eviction)
			if err != nil && !apierrors.IsTooManyRequests(err) && !apierrors.IsNotFound(err) { // too many: a disruption budget says not now
				return "", err
			}
		}
		if left == 0 {
			return "", nil
		}
		return fmt.Sprintf("%d pods are left", left), nil
	})
	return errors.Join(err, c.cordon(context.WithoutCancel(ctx), node, false))
}

func (c *chat) cordon(ctx context.Context, node *corev1.Node, on bool) error {
	patch := fmt.Appendf(nil, `{"spec":{"unschedulable":%v}}`, on)
	return c.client.Patch(ctx, node, ctrl.RawPatch("application/merge-patch+json", patch))
}

// pauseNode lets all processes of a node stand still for a moment.
func (c *chat) pauseNode(ctx context.Context, node *corev1.Node) error {
	container, err := containerOf(node)
	if err != nil {
		return err
	}
	if _, err := docker(ctx, "pause", container); err != nil {
		return err
	}
	err = sleep(ctx, shortPause)
	_, unpaused := docker(context.WithoutCancel(ctx), "unpause", container)
	if err := errors.Join(err, unpaused); err != nil {
		return err
	}
	return sleep(ctx, 10*time.Second) // what servers and clients make of it shows only after a few heartbeats
}

// cutNodeOff takes a node's network away and gives it back: what runs there runs on and reaches nobody.
func (c *chat) cutNodeOff(ctx context.Context, node *corev1.Node) error {
	container, err := containerOf(node)
	if err != nil {
		return err
	}
	routes, err := routesOf(ctx, container)
	if err != nil {
		return err
	}
	if _, err := docker(ctx, "exec", container, "ip", "link", "set", "eth0", "down"); err != nil {
		return err
	}
	err = sleep(ctx, longAbsence)
	_, up := docker(context.WithoutCancel(ctx), "exec", container, "ip", "link", "set", "eth0", "up")
	return errors.Join(err, up, restoreRoutes(context.WithoutCancel(ctx), container, routes))
}

// stopNode switches a node off for as long as clients need to notice that nobody answers any more.
func (c *chat) stopNode(ctx context.Context, node *corev1.Node) error {
	return c.stopNodeFor(ctx, node, longAbsence)
}

// stopNodeFor switches a node off, and on again.
func (c *chat) stopNodeFor(ctx context.Context, node *corev1.Node, absence time.Duration) error {
	container, err := containerOf(node)
	if err != nil {
		return err
	}
	routes, err := routesOf(ctx, container)
	if err != nil {
		return err
	}
	if _, err := docker(ctx, "kill", container); err != nil {
		return err
	}
	err = sleep(ctx, absence)
	_, started := docker(context.WithoutCancel(ctx), "start", container)
	return errors.Join(err, started, restoreRoutes(context.WithoutCancel(ctx), container, routes))
}

// awaitNodes waits until Kubernetes counts on all nodes again.
func (c *chat) awaitNodes(ctx context.Context) error {
	return awaitError(ctx, "all nodes being ready", patience, func(ctx context.Context) (string, error) {
		var nodes corev1.NodeList
		if err := c.client.List(ctx, &nodes); err != nil {
			return "", err
		}
		for _, node := range nodes.Items {
			ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
				return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
			})
			// Kubernetes takes its taints away a little later.
			tainted := slices.ContainsFunc(node.Spec.Taints, func(taint corev1.Taint) bool {
				return strings.HasPrefix(taint.Key, "node.kubernetes.io/")
			})
			if !ready || tainted && isWorker(node) {
				return node.Name + " is not ready", nil
			}
		}
		return "", nil
	})
}

// containerOf is the name of the container that a node of kind is.
func containerOf(node *corev1.Node) (string, error) {
	// kind://docker/CLUSTER/NODE
	rest, isKind := strings.CutPrefix(node.Spec.ProviderID, "kind://docker/")
	_, container, _ := strings.Cut(rest, "/")
	if _, err := exec.LookPath("docker"); !isKind || err != nil {
		return "", fmt.Errorf("%w: the nodes are not containers of this machine's Docker", errNotHere)
	}
	return container, nil
}

// routesOf are the routes of a node by way of others. They are lost with its network device; the networks of most clusters
// set them again, that of a cluster without an agent on each node does not.
func routesOf(ctx context.Context, container string) ([]string, error) {
	text, err := docker(ctx, "exec", container, "ip", "route", "show")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(strings.Split(text, "\n"), func(route string) bool { return !strings.Contains(route, " via ") }), nil
}

func restoreRoutes(ctx context.Context, container string, routes []string) error {
	for _, route := range routes {
		args := append([]string{"exec", container, "ip", "route", "replace"}, strings.Fields(route)...)
		if _, err := docker(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

func docker(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	text, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(text)))
	}
	return string(text), nil
}
