package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// shortAbsence is long for Redis, which replaces a primary in seconds, and too short for Kubernetes to notice.
const shortAbsence = 40 * time.Second

// apartFromRedis is a spec by which hub servers run where Redis does not: beside the control plane, if the nodes tell where
// that is.
func (s *suite) apartFromRedis(ctx context.Context) (string, error) {
	var nodes corev1.NodeList
	if err := s.client.List(ctx, &nodes); err != nil {
		return "", err
	}
	if !slices.ContainsFunc(nodes.Items, isSpecial) || !slices.ContainsFunc(nodes.Items, isWorker) {
		return `{}`, nil
	}
	return fmt.Sprintf(`hub: {scheduling: {nodeSelector: {%q: ""}, tolerations: [{key: %q, operator: Exists}]}}`, controlPlane, controlPlane), nil
}

func isSpecial(node corev1.Node) bool {
	_, special := node.Labels[controlPlane]
	return special
}

func isWorker(node corev1.Node) bool { return !isSpecial(node) }

// onPrimaryNode does something to the node of a Redis that takes writes. Where several servers stand in for each other, two
// others must be left, for most of them to agree on a successor.
func (c *chat) onPrimaryNode(do func(ctx context.Context, node *corev1.Node) error) func(context.Context) error {
	return c.onNodeOf(do, func(ctx context.Context) (string, error) {
		primary, others, err := c.primaryPod(ctx)
		if err != nil {
			return "", err
		}
		left := map[string]bool{}
		for _, pod := range others {
			if pod.Spec.NodeName != primary.Spec.NodeName {
				left[pod.Spec.NodeName] = true
			}
		}
		if len(others) > 0 && len(left) < 2 {
			return "", fmt.Errorf("%w: Redis is on fewer than three nodes", errNotHere)
		}
		return primary.Spec.NodeName, nil
	})
}

// killPrimaryProcess kills the process of a Redis that takes writes, with nothing told to it and nothing to the API server: the
// kubelet starts it again in the same pod, often before it is missed.
func (c *chat) killPrimaryProcess(ctx context.Context) error {
	primary, _, err := c.primaryPod(ctx)
	if err != nil {
		return err
	}
	var node corev1.Node
	if err := c.client.Get(ctx, ctrl.ObjectKey{Name: primary.Spec.NodeName}, &node); err != nil {
		return err
	}
	machine, err := containerOf(&node)
	if err != nil {
		return err
	}
	if len(primary.Status.ContainerStatuses) == 0 {
		return fmt.Errorf("nothing is known of the containers of %s", primary.Name)
	}
	status := primary.Status.ContainerStatuses[0]
	task, isContainerd := strings.CutPrefix(status.ContainerID, "containerd://")
	if !isContainerd {
		return fmt.Errorf("%w: the nodes do not run containerd", errNotHere)
	}
	if _, err := docker(ctx, "exec", machine, "ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", task); err != nil {
		return err
	}
	return awaitError(ctx, "the kubelet starting Redis again", patience, func(ctx context.Context) (string, error) {
		var now corev1.Pod
		err := c.client.Get(ctx, ctrl.ObjectKeyFromObject(&primary), &now)
		if err == nil && (len(now.Status.ContainerStatuses) == 0 || now.Status.ContainerStatuses[0].RestartCount == status.RestartCount) {
			return "the API server does not know of it", nil
		}
		return "", err
	})
}

// stopNodeShortly switches a node off, and on again before Kubernetes has done much about it.
func (c *chat) stopNodeShortly(ctx context.Context, node *corev1.Node) error {
	return c.stopNodeFor(ctx, node, shortAbsence)
}

// killRedis kills all Redis servers and Sentinels at once.
func (c *chat) killRedis(ctx context.Context) error {
	pods, err := c.allOfRedis(ctx)
	if err != nil {
		return err
	}
	return c.killPods(ctx, pods, c.allOfRedis)
}

// allOfRedis are the pods of Redis servers and of Sentinels.
func (c *chat) allOfRedis(ctx context.Context) ([]corev1.Pod, error) {
	servers, err := c.pods(ctx, v1alpha1.RedisComponent)
	sentinels, failed := c.pods(ctx, v1alpha1.SentinelComponent)
	return slices.Concat(servers, sentinels), errors.Join(err, failed)
}

// upgradeRedis asks for another image of Redis and waits until all pods have it.
func (c *chat) upgradeRedis(ctx context.Context) error {
	image := os.Getenv("E2E_REDIS_IMAGE_NEXT")
	if image == "" {
		return fmt.Errorf("%w: E2E_REDIS_IMAGE_NEXT is not set", errNotHere)
	}
	if err := c.change(ctx, func(o *v1alpha1.ChatCluster) { o.Spec.Redis.Image = image }); err != nil {
		return err
	}
	return awaitError(ctx, "all of Redis having the other image", patience, func(ctx context.Context) (string, error) {
		pods, err := c.allOfRedis(ctx)
		for _, pod := range pods {
			if pod.Spec.Containers[0].Image != image || notReady(pod) {
				return pod.Name + " has not", nil
			}
		}
		return "", err
	})
}

// exchangePassword asks for another password and waits until all have taken it up and the old one is forgotten.
func (c *chat) exchangePassword(ctx context.Context) error {
	secret := c.name + "-redis-auth"
	if err := c.rotate(v1alpha1.AnnotationRotateRedisPassword, secret)(ctx); err != nil {
		return err
	}
	return awaitError(ctx, "the end of the old password", 2*patience, func(ctx context.Context) (string, error) {
		var object corev1.Secret
		err := c.client.Get(ctx, ctrl.ObjectKey{Namespace: c.namespace, Name: secret}, &object)
		if since, rotating := object.Annotations[v1alpha1.Group+"/since"]; rotating {
			return "the Secret is being exchanged, in its present step since " + since, err
		}
		return "", err
	})
}

// changeReplicas asks for more or fewer replicas, in a Cluster for each shard.
func (c *chat) changeReplicas(by int32) func(context.Context) error {
	return func(ctx context.Context) error {
		return c.change(ctx, func(o *v1alpha1.ChatCluster) {
			if sentinel := o.Spec.Redis.Sentinel; sentinel != nil {
				sentinel.Replicas += by
			} else {
				o.Spec.Redis.Cluster.ReplicasPerShard += by
			}
		})
	}
}

// awaitWhole waits until all runs as the spec says and Redis could bear another fault: all replicas have all data.
func (c *chat) awaitWhole(ctx context.Context) error {
	if err := c.awaitWorkloads(ctx); err != nil {
		return err
	}
	return awaitError(ctx, "Redis being whole", patience, func(ctx context.Context) (string, error) {
		object, err := c.get(ctx)
		if err != nil {
			return "", err
		}
		pods, err := c.allPods(ctx, v1alpha1.RedisComponent)
		if err != nil {
			return "", err
		}
		return lacking(object, len(pods)), nil
	})
}

// lacking says what a ChatCluster with so many pods of Redis lacks, or "".
func lacking(object *v1alpha1.ChatCluster, pods int) string {
	servers, replicas := 1, int32(0)
	if sentinel := object.Spec.Redis.Sentinel; sentinel != nil {
		servers, replicas = int(1+sentinel.Replicas), sentinel.Replicas
	} else if cluster := object.Spec.Redis.Cluster; cluster != nil {
		servers, replicas = int(cluster.Shards*(1+cluster.ReplicasPerShard)), cluster.Shards*cluster.ReplicasPerShard
	}
	degraded := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionDegraded)
	inSync := object.Status.Redis.ReplicasInSync
	switch {
	case pods != servers:
		return fmt.Sprintf("there are %d pods of Redis, not %d", pods, servers)
	case replicas > 0 && (inSync == nil || *inSync != replicas):
		return "not all replicas have all data"
	case degraded != nil && degraded.Status == metav1.ConditionTrue:
		return degraded.Message
	}
	return ""
}

func TestARedisIsWholeWithAllOfItsReplicas(t *testing.T) {
	for name, test := range map[string]struct {
		spec   v1alpha1.RedisSpec
		pods   int
		inSync int32
		whole  bool
	}{
		"one server":                {v1alpha1.RedisSpec{}, 1, 0, true},
		"all replicas":              {v1alpha1.RedisSpec{Sentinel: &v1alpha1.RedisSentinelSpec{Replicas: 2}}, 3, 2, true},
		"a replica without data":    {v1alpha1.RedisSpec{Sentinel: &v1alpha1.RedisSentinelSpec{Replicas: 2}}, 3, 1, false},
		"one more than is wanted":   {v1alpha1.RedisSpec{Sentinel: &v1alpha1.RedisSentinelSpec{Replicas: 2}}, 4, 2, false},
		"all replicas of shards":    {v1alpha1.RedisSpec{Cluster: &v1alpha1.RedisClusterSpec{Shards: 3, ReplicasPerShard: 1}}, 6, 3, true},
		"a shard without a replica": {v1alpha1.RedisSpec{Cluster: &v1alpha1.RedisClusterSpec{Shards: 3, ReplicasPerShard: 1}}, 6, 2, false},
	} {
		object := &v1alpha1.ChatCluster{Spec: v1alpha1.ChatClusterSpec{Redis: test.spec}}
		object.Status.Redis.ReplicasInSync = &test.inSync
		if lacks := lacking(object, test.pods); (lacks == "") != test.whole {
			t.Errorf("%s: it lacks %q", name, lacks)
		}
		object.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionDegraded, Status: metav1.ConditionTrue, Message: "why"}}
		if lacks := lacking(object, test.pods); lacks == "" {
			t.Errorf("%s: it lacks nothing though it is degraded", name)
		}
	}
}
