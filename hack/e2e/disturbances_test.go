package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/hack/e2e/crowd"
)

// disturbance is something that happens to a ChatCluster while clients chat.
type disturbance struct {
	name string
	do   func(ctx context.Context) error
	// unnoticed says that no client may notice it: nothing lost, no call failed, no connection lost.
	unnoticed bool
}

// disturbances are what happens in the life of a ChatCluster.
func (c *chat) disturbances() []disturbance {
	return []disturbance{
		{name: "none", unnoticed: true, do: func(ctx context.Context) error { return sleep(ctx, 5*time.Second) }},
		{name: "scaled from 3 to 5", unnoticed: true, do: func(ctx context.Context) error { return c.scale(ctx, 5) }},
		{name: "scaled from 5 to 2", do: func(ctx context.Context) error { return c.scale(ctx, 2) }},
		{name: "scaled from 2 to 3", unnoticed: true, do: func(ctx context.Context) error { return c.scale(ctx, 3) }},
		{name: "image changed", do: func(ctx context.Context) error {
			return c.answered(ctx, func(o *v1alpha1.ChatCluster) { o.Spec.Hub.Image = c.images.hubNext })
		}},
		{name: "configuration changed", do: func(ctx context.Context) error {
			return c.answered(ctx, func(o *v1alpha1.ChatCluster) { o.Spec.Hub.Timeouts.KeepAliveSeconds = 10 })
		}},
		{name: "hub server killed", do: func(ctx context.Context) error { return c.kill(ctx, v1alpha1.HubComponent) }},
		{name: "Redis killed", do: func(ctx context.Context) error { return c.kill(ctx, v1alpha1.RedisComponent) }},
		{name: "Redis password rotated", do: c.rotate(v1alpha1.AnnotationRotateRedisPassword, c.name+"-redis-auth")},
		{name: "cluster key rotated", do: c.rotate(v1alpha1.AnnotationRotateClusterKey, c.name+"-cluster-key")},
		{name: "operator killed in a roll-out", do: func(ctx context.Context) error {
			err := c.change(ctx, func(o *v1alpha1.ChatCluster) { o.Spec.Hub.Timeouts.KeepAliveSeconds = 12 })
			if err == nil {
				err = c.awaitProgress(ctx)
			}
			return errors.Join(err, c.restartOperator(ctx), c.awaitWorkloads(ctx))
		}},
	}
}

// rotate asks for a new secret with an annotation, and waits until the Secret says that this was answered.
func (c *chat) rotate(annotation, secret string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		request := time.Now().Format(time.RFC3339Nano)
		err := c.change(ctx, func(o *v1alpha1.ChatCluster) { metav1.SetMetaDataAnnotation(&o.ObjectMeta, annotation, request) })
		if err != nil {
			return err
		}
		err = awaitError(ctx, "the rotation of "+secret, patience, func(ctx context.Context) (string, error) {
			var object corev1.Secret
			err := c.client.Get(ctx, ctrl.ObjectKey{Namespace: c.namespace, Name: secret}, &object)
			if err != nil || object.Annotations[v1alpha1.AnnotationAnswered] == request {
				return "", err
			}
			return "the Secret does not say that it was answered", nil
		})
		if err != nil {
			return err
		}
		return c.awaitWorkloads(ctx)
	}
}

// disturb lets the crowd speak through a disturbance and checks what no disturbance may do.
func (c *chat) disturb(t *testing.T, people *crowd.Crowd, d disturbance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	outcome, err := people.Talk(ctx, rate, d.do)
	c.table.add(d.name, outcome)
	t.Logf("%s: %+v", d.name, outcome)
	switch {
	case err != nil:
		t.Fatalf("%s: %v", d.name, err)
	case outcome.Doubled != 0:
		t.Errorf("%s: %d messages were delivered twice", d.name, outcome.Doubled)
	case outcome.Said == 0:
		t.Errorf("%s: nothing was said", d.name)
	case d.unnoticed && outcome.Lost+outcome.Failed+outcome.Reconnects != 0:
		t.Errorf("%s: clients noticed it: %+v", d.name, outcome)
	}
}

// answered changes the ChatCluster and waits until the operator has begun to answer and all is done.
func (c *chat) answered(ctx context.Context, change func(*v1alpha1.ChatCluster)) error {
	if err := c.change(ctx, change); err != nil {
		return err
	}
	if err := c.awaitProgress(ctx); err != nil {
		return err
	}
	return c.awaitWorkloads(ctx)
}

// awaitProgress waits until the ChatCluster is not Ready any more, or a pod of it is new: an operator that has not yet
// looked must not pass for one that has finished.
func (c *chat) awaitProgress(ctx context.Context) error {
	return awaitError(ctx, "the operator beginning", patience, func(ctx context.Context) (string, error) {
		object, err := c.get(ctx)
		if err != nil {
			return "", err
		}
		if meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionProgressing) {
			return "", nil
		}
		return "nothing changes", nil
	})
}

func sleep(ctx context.Context, duration time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(duration):
		return nil
	}
}
