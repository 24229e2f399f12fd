package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// TestManyChatClusters makes many at once and then has the operator look at all of them again. OPERATOR_SCALE is how many; the
// figures in the README are for 1000.
func TestManyChatClusters(t *testing.T) {
	if testing.Short() {
		t.Skip("many ChatClusters take a while")
	}
	many, err := strconv.Atoi(os.Getenv("OPERATOR_SCALE"))
	if err != nil {
		many = 50
	}
	o := runOperator(t)
	o.settleEmpty()
	idle := heap()
	before := o.calls.all()
	began := time.Now()
	o.forAll(many, func(name string) error {
		_, err := o.tryCreate(chatClusterManifest(name, "{redis: {storage: {size: 1Gi}}}"))
		return err
	})
	created := time.Since(began)
	o.awaitAll(many, v1alpha1.ConditionProgressing, v1alpha1.ReasonReplacing, v1alpha1.ReasonSettled)
	made := time.Since(began)
	o.forAll(many, func(name string) error {
		for _, roll := range []func(string) error{o.tryRollOutHub, o.tryRollOutRedis} {
			if err := whileInConflict(func() error { return roll(name) }); err != nil {
				return err
			}
		}
		return nil
	})
	o.awaitAll(many, v1alpha1.ConditionReady, v1alpha1.ReasonAllReady)
	settled := time.Since(began)
	o.quiet()
	total := 0
	for one, count := range o.calls.all() {
		if one.verb != "watch" && one.verb != "list" && one.group != "events.k8s.io" {
			total += count - before[one]
		}
	}
	memory := heap()

	var looked time.Duration
	eventually(t, 10*time.Minute, func() (err error) { // for a while nothing was asked: there may be something left to do
		looked, err = o.lookAgain(many)
		return err
	})
	t.Logf("%d ChatClusters: created in %s, all objects made after %s, all Ready after %s; %.1f calls each; heap %d MiB, of which %d before; looked at again in %s",
		many, created.Round(time.Second), made.Round(time.Second), settled.Round(time.Second), float64(total)/float64(many), memory>>20, idle>>20,
		looked.Round(100*time.Millisecond))
}

// lookAgain has the operator look at all that are settled. It returns how long that takes, or what it did besides.
func (o *operator) lookAgain(many int) (took time.Duration, err error) {
	o.t.Helper()
	writes, reads := o.calls.writes(), o.calls.reads()
	began, looks := time.Now(), reconciles(o.t)
	o.forAll(many, func(name string) error {
		return o.tryPatch(name, fmt.Sprintf("{metadata: {annotations: {look: '%d'}}}", looks))
	})
	eventually(o.t, 10*time.Minute, func() error {
		if seen := reconciles(o.t) - looks; seen < many {
			return fmt.Errorf("%d of %d were looked at", seen, many)
		}
		return nil
	})
	o.quiet()
	took = time.Since(began)
	if wrote := o.calls.writes() - writes; wrote != 0 {
		return took, fmt.Errorf("a look at %d that are settled wrote %d times", many, wrote)
	}
	if read := o.calls.reads() - reads; read != 0 {
		return took, fmt.Errorf("a look at %d that are settled read %d objects that are not in the cache", many, read)
	}
	return took, nil
}

// forAll does something to many ChatClusters, a few at a time.
func (o *operator) forAll(many int, do func(name string) error) {
	o.t.Helper()
	names := make(chan string)
	var working sync.WaitGroup
	for range 8 {
		working.Go(func() {
			for name := range names {
				if err := do(name); err != nil {
					o.t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	for index := range many {
		names <- fmt.Sprintf("many-%d", index)
	}
	close(names)
	working.Wait()
	if o.t.Failed() {
		o.t.FailNow()
	}
}

// whileInConflict tries again as long as the operator changes the object in between.
func whileInConflict(update func() error) error {
	err := update()
	for apierrors.IsConflict(err) {
		err = update()
	}
	return err
}

// awaitAll waits until a condition of all has one of the reasons. It watches: to list so many again and again would be most of
// the work that is measured.
func (o *operator) awaitAll(many int, condition string, reasons ...string) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 10*time.Minute)
	defer cancel()
	clusters := &v1alpha1.ChatClusterList{}
	if err := o.admin.List(ctx, clusters, client.InNamespace(o.namespace)); err != nil {
		o.t.Fatal(err)
	}
	have := map[string]bool{}
	note := func(cluster *v1alpha1.ChatCluster) {
		found := meta.FindStatusCondition(cluster.Status.Conditions, condition)
		have[cluster.Name] = found != nil && slices.Contains(reasons, found.Reason)
	}
	for at := range clusters.Items {
		note(&clusters.Items[at])
	}
	changes, err := o.admin.Watch(ctx, clusters, client.InNamespace(o.namespace),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: clusters.ResourceVersion}})
	if err != nil {
		o.t.Fatal(err)
	}
	defer changes.Stop()
	for count(have) < many {
		select {
		case change, open := <-changes.ResultChan():
			cluster, is := change.Object.(*v1alpha1.ChatCluster)
			if !open || !is {
				o.t.Fatalf("the watch ended with %v", change.Object)
			}
			note(cluster)
		case <-ctx.Done():
			o.t.Fatalf("%d of %d have %s", count(have), many, condition)
		}
	}
}

func count(have map[string]bool) (total int) {
	for _, is := range have {
		if is {
			total++
		}
	}
	return total
}

// settleEmpty waits until the operator watches.
func (o *operator) settleEmpty() {
	o.t.Helper()
	o.chatCluster("first", "{}")
	o.ready("first")
}

// quiet waits until the operator asks for nothing for a while.
func (o *operator) quiet() {
	o.t.Helper()
	last, since := -1, time.Now()
	eventually(o.t, 10*time.Minute, func() error {
		if now := o.calls.writes() + o.calls.reads(); now != last || !o.calls.idle() {
			last, since = now, time.Now()
		}
		if time.Since(since) < 2*time.Second {
			return errors.New("the operator still works")
		}
		return nil
	})
}

func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// reconciles is how often operators looked at a ChatCluster since the tests began.
func reconciles(t *testing.T) int {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, family := range families {
		if family.GetName() == "controller_runtime_reconcile_total" {
			for _, metric := range family.GetMetric() {
				total += metric.GetCounter().GetValue()
			}
		}
	}
	return int(total)
}
