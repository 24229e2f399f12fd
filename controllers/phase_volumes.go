package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/controllers/children"
)

// lookAtVolumes is how often volumes that grow are looked at.
const lookAtVolumes = 5 * time.Second

// volumeError says why volumes do not have the size of the spec. Nothing else waits for it.
type volumeError string

func (e volumeError) Error() string { return string(e) }

func cannotGrow(claim, reason string) error {
	return volumeError(fmt.Sprintf("PersistentVolumeClaim %s cannot grow, and stays as it is: %s", claim, reason))
}

func cannotShrink(set string, has resource.Quantity) error {
	return volumeError(fmt.Sprintf(
		"the volumes of StatefulSet %s cannot become smaller, and stay as they are: set redis.storage.size to %s again", set, has.String()))
}

// growVolumes brings the volumes of Redis to a greater size. Kubernetes takes no other size in a StatefulSet, so the claims are grown
// first, and once all of them have grown the StatefulSet is made again around its pods, which go on.
func (r *Reconciler) growVolumes(ctx context.Context, s *scope) error {
	if !s.wanted.Managed() {
		return nil
	}
	wanted := children.RedisStorageSize(s.cluster.Spec.Redis)
	for _, name := range slices.Sorted(maps.Keys(s.facts.redisSets)) {
		set := s.facts.redisSets[name]
		has, found := claimedSize(set)
		if !found || has.Cmp(wanted) == 0 {
			continue
		}
		if s.wanted.RedisStorage == nil {
			s.wanted.RedisStorage = map[string]resource.Quantity{}
		}
		s.wanted.RedisStorage[name] = has
		if set.DeletionTimestamp != nil {
			s.remakes(name)
		}
		if err := r.resizeSet(ctx, s, set, has, wanted); err != nil {
			s.fail("resize the volumes of StatefulSet "+name, err) // the other objects do not wait for it
		}
	}
	return nil
}

func (r *Reconciler) resizeSet(ctx context.Context, s *scope, set *appsv1.StatefulSet, has, wanted resource.Quantity) error {
	switch {
	case has.Cmp(wanted) > 0:
		return cannotShrink(set.Name, has)
	case set.DeletionTimestamp != nil:
		return nil
	}
	return r.growSet(ctx, s, set, wanted)
}

// remakes notes that a StatefulSet goes, to come back otherwise. Until it is gone it must not be made as it was.
func (s *scope) remakes(set string) {
	if s.remaking == nil {
		s.remaking = map[string]bool{}
	}
	s.remaking[set] = true
	s.lookAgain(time.Second)
}

// claimedSize is the size of the volumes that a StatefulSet asks for.
func claimedSize(set *appsv1.StatefulSet) (resource.Quantity, bool) {
	for _, claim := range set.Spec.VolumeClaimTemplates {
		if claim.Name == children.DataVolume {
			return claim.Spec.Resources.Requests[corev1.ResourceStorage], true
		}
	}
	return resource.Quantity{}, false
}

func (r *Reconciler) growSet(ctx context.Context, s *scope, set *appsv1.StatefulSet, size resource.Quantity) error {
	claims := &corev1.PersistentVolumeClaimList{}
	err := r.Uncached.List(ctx, claims, client.InNamespace(set.Namespace), client.MatchingLabels(set.Spec.Selector.MatchLabels))
	if err != nil {
		return fmt.Errorf("list the claims of %s: %w", set.Name, err)
	}
	var stuck error
	waits, grown, total := "", 0, 0
	for at := range claims.Items {
		claim := &claims.Items[at]
		if !strings.HasPrefix(claim.Name, children.DataVolume+"-"+set.Name+"-") {
			continue
		}
		total++
		if err := r.growClaim(ctx, claim, size); err != nil {
			return err
		}
		if capacity := claim.Status.Capacity[corev1.ResourceStorage]; capacity.Cmp(size) >= 0 {
			grown++
			continue
		}
		stuck, waits = cmp.Or(stuck, resizeError(claim)), cmp.Or(waits, pendingResize(claim))
	}
	s.lookAgain(lookAtVolumes)
	s.growing = fmt.Sprintf("%d of %s of StatefulSet %s have grown to %s", grown, count(bounded(total), "volume"), set.Name, size.String()) + waits
	if grown < total {
		return stuck
	}
	s.remakes(set.Name)
	uid := set.UID
	err = r.Client.Delete(ctx, set.DeepCopy(), client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationOrphan))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete it around its pods: %w", err)
	}
	r.event(s, corev1.EventTypeNormal, "VolumesGrown", "all volumes have grown to %s; StatefulSet %s is made again around its pods",
		size.String(), set.Name)
	return nil
}

// growClaim asks for a greater volume, if nobody did before.
func (r *Reconciler) growClaim(ctx context.Context, claim *corev1.PersistentVolumeClaim, size resource.Quantity) error {
	if asked := claim.Spec.Resources.Requests[corev1.ResourceStorage]; asked.Cmp(size) >= 0 {
		return nil
	}
	patch := fmt.Appendf(nil, `{"spec":{"resources":{"requests":{"storage":%q}}}}`, size.String())
	err := r.Client.Patch(ctx, claim.DeepCopy(), client.RawPatch(mergePatch, patch))
	switch {
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		return cannotGrow(claim.Name, rejection(err))
	case err != nil:
		return fmt.Errorf("ask for a greater volume %s: %w", claim.Name, err)
	}
	return nil
}

// resizeError is what those say who have the volume of a claim grow, if they could not yet. They go on trying.
func resizeError(claim *corev1.PersistentVolumeClaim) error {
	for _, condition := range claim.Status.Conditions {
		switch condition.Type {
		case corev1.PersistentVolumeClaimControllerResizeError, corev1.PersistentVolumeClaimNodeResizeError:
			if condition.Status == corev1.ConditionTrue {
				return cannotGrow(claim.Name, brief(condition.Message))
			}
		}
	}
	return nil
}

// pendingResize is what those should know who wait for a claim whose file system has not grown with its volume. Most nodes do that
// while a pod uses it, soon; some only before a pod starts. The pods are ended by who knows when that suits, one after another.
func pendingResize(claim *corev1.PersistentVolumeClaim) string {
	for _, condition := range claim.Status.Conditions {
		if condition.Type == corev1.PersistentVolumeClaimFileSystemResizePending && condition.Status == corev1.ConditionTrue {
			pod := strings.TrimPrefix(claim.Name, children.DataVolume+"-")
			return fmt.Sprintf("; the file system of %s has not: if its node cannot do that in use, it waits for a restart of pod %s (kubectl delete pod %s)",
				claim.Name, pod, pod)
		}
	}
	return ""
}
