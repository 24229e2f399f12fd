package drain_test

import (
	"testing"
	"time"

	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/drain"
)

// spec is one with the defaults of the CustomResourceDefinition, changed.
func spec(change ...func(*v1alpha1.ChatClusterSpec)) v1alpha1.ChatClusterSpec {
	spec := v1alpha1.ChatClusterSpec{Drain: v1alpha1.DrainSpec{DelaySeconds: ptr.To[int32](5), PeriodSeconds: ptr.To[int32](10)}}
	for _, change := range change {
		change(&spec)
	}
	return spec
}

func TestTheGracePeriodFollowsFromClientsAndDrain(t *testing.T) {
	limit := func(clients int32) func(*v1alpha1.ChatClusterSpec) {
		return func(s *v1alpha1.ChatClusterSpec) { s.Hub.Limits.Connections = &clients }
	}
	for name, c := range map[string]struct {
		spec    v1alpha1.ChatClusterSpec
		clients int64
		// timeout, grace and pace in seconds.
		timeout, grace, pace int
	}{
		"a few clients":            {spec(), 0, 55, 60, 15},
		"as many as fit":           {spec(), 4000, 55, 60, 25},
		"more":                     {spec(), 8000, 75, 80, 45},
		"as many as the spec says": {spec(limit(20_000)), 0, 135, 140, 15},
		"more than the spec says":  {spec(limit(20_000)), 32_000, 195, 200, 165},
		"twice what autoscaling aims at": {spec(func(s *v1alpha1.ChatClusterSpec) {
			s.Autoscaling = &v1alpha1.AutoscalingSpec{ConnectionsPerReplica: 10_000}
		}), 0, 135, 140, 15},
		"a long delay":         {spec(func(s *v1alpha1.ChatClusterSpec) { s.Drain.DelaySeconds = ptr.To[int32](60) }), 0, 95, 100, 70},
		"a long period":        {spec(func(s *v1alpha1.ChatClusterSpec) { s.Drain.PeriodSeconds = ptr.To[int32](600) }), 0, 635, 640, 605},
		"a time of the user's": {spec(func(s *v1alpha1.ChatClusterSpec) { s.Drain.TimeoutSeconds = 90 }), 100_000, 105, 110, 505},
		"a short one":          {spec(func(s *v1alpha1.ChatClusterSpec) { s.Drain.TimeoutSeconds = 20 }), 0, 34, 60, 15},
		"a pace of the user's": {spec(func(s *v1alpha1.ChatClusterSpec) { s.Rollout.MinReadySeconds = ptr.To[int32](0) }), 8000, 75, 80, 0},
		"beyond all bounds":    {spec(), 1 << 62, 3635, 3640, 3605},
	} {
		t.Run(name, func(t *testing.T) {
			plan := drain.For(c.spec, c.clients)
			got := []time.Duration{plan.Timeout, plan.Grace, plan.Pace}
			for at, want := range []int{c.timeout, c.grace, c.pace} {
				if got[at] != time.Duration(want)*time.Second {
					t.Errorf("timeout, grace and pace are %s, want %d, %d and %d s", got, c.timeout, c.grace, c.pace)
				}
			}
		})
	}
}

// TestAHubServerHasTheTimeThatItsClientsNeed holds the plan against the formula of a drain: until another server has answered, its
// clients at 200 a second, those that are between two sockets, calls that run, and what is left for the process.
func TestAHubServerHasTheTimeThatItsClientsNeed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clients := rapid.Int64Range(0, 500_000).Draw(t, "clients")
		limit := rapid.Int32Range(0, 500_000).Draw(t, "limit")
		s := spec(func(s *v1alpha1.ChatClusterSpec) {
			s.Drain.DelaySeconds = ptr.To(rapid.Int32Range(0, 600).Draw(t, "delay"))
			s.Drain.PeriodSeconds = ptr.To(rapid.Int32Range(0, 3600).Draw(t, "period"))
			s.Hub.Limits.Connections = &limit
		})
		plan := drain.For(s, clients)
		needs := time.Duration(10+(max(clients, int64(limit))+199)/200+15+10+5) * time.Second
		if plan.Grace < needs || plan.Grace < time.Minute {
			t.Fatalf("the grace period is %s, needed are %s", plan.Grace, needs)
		}
		s.Drain.TimeoutSeconds = rapid.Int32Range(1, 7200).Draw(t, "timeout")
		asked := drain.For(s, clients)
		// A quarter of its time, 10 s at most, a hub server keeps for itself.
		if left := asked.Timeout - min(10*time.Second, asked.Timeout/4); left < asked.Delay+time.Duration(s.Drain.TimeoutSeconds)*time.Second {
			t.Fatalf("of %s, %s are left for clients, asked are %d s after %s", asked.Timeout, left, s.Drain.TimeoutSeconds, asked.Delay)
		}
		if plan.Timeout >= plan.Grace || asked.Timeout >= asked.Grace || plan.Timeout <= plan.Delay+plan.Period {
			t.Fatalf("the server gives itself %s of %s for %s and %s", plan.Timeout, plan.Grace, plan.Delay, plan.Period)
		}
	})
}

func TestThePlannedNumberOfClientsMovesInSteps(t *testing.T) {
	for name, c := range map[string]struct{ planned, most, want int64 }{
		"nobody":             {0, 0, 0},
		"a few":              {0, 1000, 0},
		"some":               {0, 1001, 4000},
		"many":               {0, 30_000, 64_000},
		"fewer at night":     {64_000, 10, 32_000},
		"fewer for long":     {2000, 10, 0},
		"more than planned":  {4000, 30_000, 64_000},
		"beyond all bounds":  {0, 1 << 62, 2_048_000},
		"something negative": {-1, -1, 0},
	} {
		if got := drain.Clients(c.planned, c.most); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
