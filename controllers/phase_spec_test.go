package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

func TestRedisMayNotStoreMoreThanItsMemory(t *testing.T) {
	t.Parallel()
	limit := func(memory string) *corev1.ResourceRequirements {
		return &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}}
	}
	for name, c := range map[string]struct {
		maximum   string
		resources *corev1.ResourceRequirements
		refused   bool
	}{
		"less than there is by default":     {"511Mi", nil, false},
		"all that there is by default":      {"512Mi", nil, true},
		"less than the spec allows":         {"1Gi", limit("2Gi"), false},
		"all that the spec allows":          {"2Gi", limit("2Gi"), true},
		"more than the spec allows":         {"2Gi", limit("1Gi"), true},
		"whatever there is without a limit": {"2Gi", &corev1.ResourceRequirements{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := v1alpha1.ChatClusterSpec{}
			spec.Redis.Resources = c.resources
			spec.Redis.Memory = &v1alpha1.RedisMemory{Maximum: ptr.To(resource.MustParse(c.maximum))}
			if err := checkRedis(spec); (err != nil) != c.refused {
				t.Errorf("got %v, refused: %v", err, c.refused)
			}
		})
	}
}
