package controllers

import (
	"context"
	"fmt"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
)

// checkSpec checks what the API server cannot, and again the rules without which the operator would do harm: the
// CustomResourceDefinition in the Kubernetes cluster may be an older one.
func (r *Reconciler) checkSpec(_ context.Context, s *scope) error {
	spec := s.cluster.Spec
	for _, check := range []func(v1alpha1.ChatClusterSpec) error{checkRedis, checkAutoscaling, checkDrain, checkMetadata} {
		if err := check(spec); err != nil {
			return err
		}
	}
	return nil
}

func checkRedis(spec v1alpha1.ChatClusterSpec) error {
	redis := spec.Redis
	switch {
	case (redis.Mode == v1alpha1.RedisSentinel) != (redis.Sentinel != nil):
		return &specError{"redis.sentinel", "is for mode Sentinel, which needs it"}
	case (redis.Mode == v1alpha1.RedisCluster) != (redis.Cluster != nil):
		return &specError{"redis.cluster", "is for mode Cluster, which needs it"}
	case redis.Mode == v1alpha1.RedisExternal && redis.External == nil:
		return &specError{"redis.external", "is missing, and mode External needs it"}
	case redis.Mode != v1alpha1.RedisExternal && redis.External != nil:
		return &specError{"redis.external", "needs mode External"}
	case redis.Memory != nil && redis.Memory.Maximum != nil:
		if limit := children.RedisMemoryLimit(redis); !limit.IsZero() && redis.Memory.Maximum.Cmp(limit) >= 0 {
			return &specError{"redis.memory.maximum", fmt.Sprintf(
				"must be less than redis.resources.limits.memory, which is %s: Redis would be killed before it is full", limit.String())}
		}
	}
	return nil
}

func checkAutoscaling(spec v1alpha1.ChatClusterSpec) error {
	autoscaling := spec.Autoscaling
	switch {
	case autoscaling == nil:
		return nil
	case autoscaling.MinReplicas > autoscaling.MaxReplicas:
		return &specError{"autoscaling.minReplicas", "is greater than autoscaling.maxReplicas"}
	case autoscaling.ConnectionsPerReplica == 0 && autoscaling.BytesPerSecondPerReplica == 0:
		return &specError{"autoscaling", "needs connectionsPerReplica or bytesPerSecondPerReplica"}
	}
	return nil
}

func checkDrain(spec v1alpha1.ChatClusterSpec) error {
	if timeout := spec.Drain.TimeoutSeconds; timeout != 0 && timeout <= ptr.Deref(spec.Drain.PeriodSeconds, 0) {
		return &specError{"drain.timeoutSeconds", "must be greater than drain.periodSeconds, which is a part of it"}
	}
	return nil
}

// checkMetadata checks labels and annotations, so that no object is changed if another one would be refused.
func checkMetadata(spec v1alpha1.ChatClusterSpec) error {
	places := []struct {
		name     string
		metadata v1alpha1.Metadata
	}{
		{"hub.podMetadata", spec.Hub.PodMetadata},
		{"redis.podMetadata", spec.Redis.PodMetadata},
		{"service.metadata", spec.Service.Metadata},
	}
	if spec.Ingress != nil {
		places = append(places, struct {
			name     string
			metadata v1alpha1.Metadata
		}{"ingress.metadata", spec.Ingress.Metadata})
	}
	for _, place := range places {
		path := field.NewPath(place.name)
		problems := metavalidation.ValidateLabels(place.metadata.Labels, path.Child("labels"))
		problems = append(problems, apivalidation.ValidateAnnotations(place.metadata.Annotations, path.Child("annotations"))...)
		if len(problems) > 0 {
			return &specError{problems[0].Field, problems[0].ErrorBody()}
		}
	}
	return nil
}
