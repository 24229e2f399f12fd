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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/hack/e2e/crowd"
	"github.com/chatcluster/chatcluster/hack/e2e/ledger"
)

// disturbance is something that happens to a ChatCluster while clients chat.
type disturbance struct {
	name string
	// do does it and returns when all runs again as the spec says. With an error of errNotHere the disturbance is skipped.
	do func(ctx context.Context) error
	// promise is what clients may notice of it.
	promise promise
	// longest is for how long clients may hear nothing; 0 is no bound.
	longest time.Duration
	// full says that it is only for E2E=full.
	full bool
}

// broken returns in which way an outcome is not what the disturbance may do, or "".
func (d disturbance) broken(outcome crowd.Outcome) string {
	if reason := d.promise.broken(outcome); reason != "" {
		return reason
	}
	if d.longest > 0 && outcome.Pause > d.longest {
		return fmt.Sprintf("clients heard nothing for longer than %v", d.longest)
	}
	return ""
}

// promise is what clients may notice of a disturbance. Each is also all of those before it.
type promise int

const (
	// recovers: no message comes twice, all clients come back, and nothing is lost that is said then.
	recovers promise = iota
	// losesNothing: all that a server has taken reaches all clients.
	losesNothing
	// unnoticed: no call fails and no connection ends.
	unnoticed
)

// errNotHere is why a disturbance cannot happen in this Kubernetes cluster.
var errNotHere = errors.New("not possible here")

// broken returns in which way an outcome does not keep the promise, or "".
func (p promise) broken(outcome crowd.Outcome) string {
	switch {
	case outcome.Said == 0:
		return "nothing was said"
	case outcome.Doubled != 0:
		return "messages came twice"
	case outcome.LostLate != 0:
		return "messages were lost after all clients had come back"
	case p >= losesNothing && outcome.Lost != 0:
		return "messages were lost"
	case p >= unnoticed && outcome.Failed+outcome.Reconnects != 0:
		return "clients noticed it"
	}
	return ""
}

// disturbances are what happens in the life of a ChatCluster, faults of nodes apart.
func (c *chat) disturbances() []disturbance {
	return []disturbance{
		{name: "none", promise: unnoticed, do: func(ctx context.Context) error { return sleep(ctx, 5*time.Second) }},
		{name: "chart upgraded", promise: unnoticed, do: c.upgradeChart},
		{name: "scaled from 3 to 5", promise: unnoticed, do: func(ctx context.Context) error { return c.scale(ctx, 5) }},
		{name: "scaled from 5 to 2", do: func(ctx context.Context) error { return c.scale(ctx, 2) }},
		{name: "scaled from 2 to 3", promise: unnoticed, do: func(ctx context.Context) error { return c.scale(ctx, 3) }},
		{name: "image changed", do: c.roll},
		{name: "configuration changed", full: true, do: func(ctx context.Context) error {
			return c.answered(ctx, func(o *v1alpha1.ChatCluster) { o.Spec.Hub.Timeouts.KeepAliveSeconds = 10 })
		}},
		{name: "hub server killed", do: c.killHub},
		{name: "Redis killed", do: c.killPrimary},
		{name: "Redis password rotated", promise: losesNothing, do: c.rotate(v1alpha1.AnnotationRotateRedisPassword, c.name+"-redis-auth")},
		{name: "cluster key rotated", promise: losesNothing, do: c.rotate(v1alpha1.AnnotationRotateClusterKey, c.name+"-cluster-key")},
		{name: "operator killed in a roll-out", do: func(ctx context.Context) error {
			err := c.change(ctx, func(o *v1alpha1.ChatCluster) { o.Spec.Hub.Timeouts.KeepAliveSeconds = 12 })
			if err == nil {
				err = c.awaitRollOut(ctx)
			}
			return errors.Join(err, c.restartOperator(ctx), c.awaitWorkloads(ctx))
		}},
	}
}

// roll replaces all hub servers by ones of the other image.
func (c *chat) roll(ctx context.Context) error {
	return c.answered(ctx, func(o *v1alpha1.ChatCluster) {
		if o.Spec.Hub.Image == c.images.hubNext {
			o.Spec.Hub.Image = c.images.hub
		} else {
			o.Spec.Hub.Image = c.images.hubNext
		}
	})
}

// killPrimary kills the Redis that takes writes.
func (c *chat) killPrimary(ctx context.Context) error {
	primary, _, err := c.primaryPod(ctx)
	if err != nil {
		return err
	}
	return c.killPod(ctx, &primary, c.redisPods)
}

// primaryPod is a pod of the Redis that takes writes, and all others.
func (c *chat) primaryPod(ctx context.Context) (primary corev1.Pod, others []corev1.Pod, err error) {
	pods, err := c.redisPods(ctx)
	switch {
	case err != nil:
		return primary, nil, err
	case len(pods) == 0:
		return primary, nil, errors.New("there is no Redis")
	case len(pods) == 1:
		return pods[0], nil, nil
	}
	name, err := c.primary(ctx)
	if err != nil {
		return primary, nil, err
	}
	at := slices.IndexFunc(pods, func(pod corev1.Pod) bool { return pod.Name == name })
	if at < 0 {
		return primary, nil, fmt.Errorf("the status says that %q is the primary, which is none of the pods", name)
	}
	primary = pods[at]
	return primary, slices.Delete(pods, at, at+1), nil
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

// disturbAll lets all disturbances happen, one after the other, that are for this depth.
func (c *chat) disturbAll(t *testing.T, people *crowd.Crowd, label string, list []disturbance) {
	t.Helper()
	for _, d := range list {
		if d.full && !c.full {
			continue
		}
		c.disturb(t, people, label, d)
	}
}

// disturb lets the crowd speak through a disturbance and checks what no disturbance may do. label tells the rows of this
// crowd from others in the table.
func (c *chat) disturb(t *testing.T, people *crowd.Crowd, label string, d disturbance) {
	t.Helper()
	name := d.name
	if label != "" {
		name = label + ": " + name
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	outcome, err := people.Talk(ctx, rate, d.do)
	if errors.Is(err, errNotHere) {
		t.Logf("%s: skipped: %v", name, err)
		c.table.skip(name, err)
		return
	}
	c.table.add(name, outcome)
	t.Logf("%s: %+v", name, outcome)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if reason := d.broken(outcome); reason != "" {
		t.Errorf("%s: %s: %+v", name, reason, outcome)
	}
}

// answered changes what hub servers run with, and waits until the operator has begun to replace them and all is done.
func (c *chat) answered(ctx context.Context, change func(*v1alpha1.ChatCluster)) error {
	if err := c.change(ctx, change); err != nil {
		return err
	}
	if err := c.awaitRollOut(ctx); err != nil {
		return err
	}
	return c.awaitWorkloads(ctx)
}

// awaitRollOut waits until hub servers are being replaced for the present spec: an operator that has not yet looked must not pass
// for one that has finished, and a secret that is still being exchanged not for a roll-out.
func (c *chat) awaitRollOut(ctx context.Context) error {
	return awaitError(ctx, "the roll-out beginning", patience, func(ctx context.Context) (string, error) {
		object, err := c.get(ctx)
		if err != nil || rollsOut(object) {
			return "", err
		}
		return "no hub server is replaced", nil
	})
}

// rollsOut tells whether the operator says that it replaces hub servers for the present spec.
func rollsOut(object *v1alpha1.ChatCluster) bool {
	progressing := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionProgressing)
	return progressing != nil && progressing.Status == metav1.ConditionTrue && progressing.Reason == v1alpha1.ReasonReplacing &&
		progressing.ObservedGeneration == object.Generation
}

// awaitProgress waits until something of the ChatCluster changes: an operator that has not yet looked must not pass for one that
// has finished.
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

// awaitRest waits until nothing changes any more.
func (c *chat) awaitRest(ctx context.Context) error {
	return awaitError(ctx, "the operator being done", patience, func(ctx context.Context) (string, error) {
		object, err := c.get(ctx)
		if err != nil {
			return "", err
		}
		progressing := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionProgressing)
		if progressing != nil && progressing.Status == metav1.ConditionTrue {
			return progressing.Reason + ": " + progressing.Message, nil
		}
		return "", nil
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

func TestEachPromiseIsAlsoThoseBeforeIt(t *testing.T) {
	outcome := func(change func(*crowd.Outcome)) crowd.Outcome {
		o := crowd.Outcome{Report: ledger.Report{Said: 1, Expected: 1}}
		change(&o)
		return o
	}
	for name, test := range map[string]struct {
		outcome crowd.Outcome
		keeps   []promise
	}{
		"all is well":             {outcome(func(*crowd.Outcome) {}), []promise{recovers, losesNothing, unnoticed}},
		"a client came back":      {outcome(func(o *crowd.Outcome) { o.Reconnects = 1 }), []promise{recovers, losesNothing}},
		"a call failed":           {outcome(func(o *crowd.Outcome) { o.Failed = 1 }), []promise{recovers, losesNothing}},
		"something was lost":      {outcome(func(o *crowd.Outcome) { o.Lost = 1 }), []promise{recovers}},
		"something came twice":    {outcome(func(o *crowd.Outcome) { o.Doubled = 1 }), nil},
		"lost though all is over": {outcome(func(o *crowd.Outcome) { o.Lost, o.LostLate = 1, 1 }), nil},
		"nobody spoke":            {outcome(func(o *crowd.Outcome) { o.Said = 0 }), nil},
	} {
		for _, p := range []promise{recovers, losesNothing, unnoticed} {
			if reason := p.broken(test.outcome); (reason == "") != slices.Contains(test.keeps, p) {
				t.Errorf("%s: the promise %d is broken by %q", name, p, reason)
			}
		}
	}
}

func TestADisturbanceMayBoundThePause(t *testing.T) {
	outcome := crowd.Outcome{Report: ledger.Report{Said: 1, Expected: 1, Pause: 31 * time.Second}}
	if reason := (disturbance{longest: 30 * time.Second}).broken(outcome); reason == "" {
		t.Error("a pause that is too long is not noticed")
	}
	for _, d := range []disturbance{{}, {longest: time.Minute}} {
		if reason := d.broken(outcome); reason != "" {
			t.Errorf("with a bound of %v: %s", d.longest, reason)
		}
	}
}

func TestARedisWithoutAKnownPrimaryIsNoReasonToSkip(t *testing.T) {
	server := func(name string) ctrl.Object {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: "chat", Name: name, Labels: map[string]string{v1alpha1.LabelInstance: "demo", v1alpha1.LabelComponent: v1alpha1.RedisComponent},
		}}
	}
	cluster := &v1alpha1.ChatCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "chat", Name: "demo"}}
	client := fake.NewClientBuilder().WithScheme(newScheme(t)).WithObjects(cluster, server("demo-redis-0"), server("demo-redis-1")).Build()
	c := &chat{suite: &suite{client: client}, namespace: "chat", name: "demo"}
	if err := c.killPrimary(t.Context()); err == nil || errors.Is(err, errNotHere) {
		t.Errorf("killing a primary that the status does not name gives %v, want an error that fails the test", err)
	}
}

func TestOnlyTheReplacementOfHubServersIsARollOut(t *testing.T) {
	for name, test := range map[string]struct {
		condition *metav1.Condition
		rollsOut  bool
	}{
		"nothing is known": {nil, false},
		"hub servers are replaced": {
			&metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReplacing, ObservedGeneration: 3}, true,
		},
		"those of an earlier spec were": {
			&metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReplacing, ObservedGeneration: 2}, false,
		},
		"a secret is exchanged": {
			&metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonRotating, ObservedGeneration: 3}, false,
		},
		"nothing is on its way": {
			&metav1.Condition{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonSettled, ObservedGeneration: 3}, false,
		},
	} {
		object := &v1alpha1.ChatCluster{ObjectMeta: metav1.ObjectMeta{Generation: 3}}
		if test.condition != nil {
			test.condition.Type = v1alpha1.ConditionProgressing
			object.Status.Conditions = []metav1.Condition{*test.condition}
		}
		if got := rollsOut(object); got != test.rollsOut {
			t.Errorf("%s: a roll-out: %v", name, got)
		}
	}
}
