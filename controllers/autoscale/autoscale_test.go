package autoscale_test

import (
	"testing"
	"time"

	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/autoscale"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func spec() v1alpha1.AutoscalingSpec {
	return v1alpha1.AutoscalingSpec{MinReplicas: 2, MaxReplicas: 10, ConnectionsPerReplica: 100, ScaleInAfterSeconds: ptr.To[int32](300)}
}

// serving returns hub servers with so many clients each.
func serving(connections ...int64) []autoscale.Hub {
	var hubs []autoscale.Hub
	for _, count := range connections {
		hubs = append(hubs, autoscale.Hub{Ready: true, Load: &autoscale.Load{Connections: count}})
	}
	return hubs
}

func unseen(hubs ...autoscale.Hub) []autoscale.Hub { return append(hubs, autoscale.Hub{Ready: true}) }

func TestDecide(t *testing.T) {
	long := noon.Add(-time.Hour)
	withRate := func(perSecond float64) []autoscale.Hub {
		hubs := serving(1, 1)
		hubs[0].Load.BytesPerSecond = &perSecond
		return hubs
	}
	pending := autoscale.Hub{Pending: true}
	for _, c := range []struct {
		name    string
		spec    func(*v1alpha1.AutoscalingSpec)
		current int32
		hubs    []autoscale.Hub
		since   time.Time
		want    int32
		// counting tells whether the time runs in which fewer would have been enough.
		counting bool
	}{
		{name: "a new cluster begins with the least", current: 0, want: 2},
		{name: "what there is stays while it is right", current: 3, hubs: serving(100, 100, 90), want: 3},
		{name: "all that are missing are added at once", current: 2, hubs: serving(400, 401), want: 9},
		{name: "no more than the most", current: 2, hubs: serving(5000, 5000), want: 10},
		{name: "one client too many adds one", current: 2, hubs: serving(100, 101), want: 3},
		{name: "a load just below needs no more", current: 2, hubs: serving(100, 100), want: 2},
		{name: "too many begin to be counted", current: 4, hubs: serving(10, 10, 10, 10), want: 4, counting: true},
		{name: "one is taken away after long enough", current: 4, hubs: serving(10, 10, 10, 10), since: long, want: 3, counting: true},
		{name: "none before that", current: 4, hubs: serving(10, 10, 10, 10), since: noon.Add(-299 * time.Second), want: 4, counting: true},
		{name: "never below the least", current: 2, hubs: serving(0, 0), since: long, want: 2},
		{name: "a part is kept free", current: 3, hubs: serving(65, 65, 65), since: long, want: 3},
		{name: "with that part free one goes", current: 3, hubs: serving(60, 60, 60), since: long, want: 2, counting: true},
		{name: "none is taken away while one ends", current: 4, hubs: append(serving(10, 10, 10), autoscale.Hub{Ending: true}), since: long, want: 4, counting: true},
		{name: "none is taken away while one starts", current: 4, hubs: append(serving(10, 10, 10), autoscale.Hub{}), since: long, want: 4, counting: true},
		{name: "one that never ran is no reason to keep another", current: 4, hubs: append(serving(10, 10, 10), pending), since: long, want: 3,
			counting: true},
		{name: "nor are several", current: 4, hubs: append(serving(150), pending, pending, pending), since: long, want: 3, counting: true},
		{name: "nor is a roll-out that is stuck", current: 3, hubs: append(serving(10, 10, 10), pending), since: long, want: 2, counting: true},
		{name: "while more serve than there should be all stay", current: 3, hubs: serving(10, 10, 10, 10), since: long, want: 3, counting: true},
		{name: "while some are missing all stay", current: 4, hubs: append(serving(10, 10), pending), since: long, want: 4, counting: true},
		{name: "one that never ran and ends is waited for", current: 4, since: long, want: 4, counting: true,
			hubs: append(serving(10, 10, 10), autoscale.Hub{Pending: true, Ending: true})},
		{name: "one that never ran stays if it is needed", current: 3, hubs: append(serving(100, 100), pending), since: long, want: 3},
		{name: "none is taken away while one is not seen", current: 4, hubs: unseen(serving(10, 10, 10)...), since: long, want: 4, counting: true},
		{name: "what is not seen begins no time", current: 4, hubs: unseen(serving(10, 10, 10)...), want: 4},
		{name: "what is seen may be enough to need them all", current: 4, hubs: unseen(serving(95, 95, 95)...), since: long, want: 4},
		{name: "nothing is known", current: 4, hubs: unseen(unseen(unseen(unseen()...)...)...), since: long, want: 4, counting: true},
		{name: "what is seen may be enough to add one", current: 3, hubs: unseen(serving(200, 200)...), want: 4},
		{name: "clients of one that ends will come back", current: 2, want: 3,
			hubs: append(serving(90, 90), autoscale.Hub{Ending: true, Load: &autoscale.Load{Connections: 100}})},
		{name: "a new least counts at once", current: 1, hubs: serving(0), want: 2},
		{name: "a new most counts at once", spec: func(s *v1alpha1.AutoscalingSpec) { s.MaxReplicas = 2 }, current: 4,
			hubs: serving(100, 100, 100, 100), want: 2},
		{name: "whatever the others do", spec: func(s *v1alpha1.AutoscalingSpec) { s.MaxReplicas = 2 }, current: 5,
			hubs: append(unseen(serving(100, 100)...), autoscale.Hub{Ending: true}, autoscale.Hub{}), want: 2},
		{name: "what is sent counts if it has a target", spec: func(s *v1alpha1.AutoscalingSpec) { s.BytesPerSecondPerReplica = 1000 }, current: 2,
			hubs: withRate(4500), want: 5},
		{name: "what is sent and is not known is no reason to take one away", spec: func(s *v1alpha1.AutoscalingSpec) {
			s.BytesPerSecondPerReplica, s.ScaleInAfterSeconds = 1000, ptr.To[int32](0)
		}, current: 3, hubs: serving(1, 1, 1), since: long, want: 3, counting: true},
		{name: "what is sent does not count without", current: 2, hubs: withRate(4500), want: 2},
		{name: "a load that overflows is the most", current: 2, hubs: serving(1<<62, 1<<62), want: 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			input := autoscale.Input{Spec: spec(), Current: c.current, Hubs: c.hubs, EnoughSince: c.since, Now: noon}
			if c.spec != nil {
				c.spec(&input.Spec)
			}
			got := autoscale.Decide(input)
			if got.Replicas != c.want || got.EnoughSince.IsZero() == c.counting {
				t.Errorf("got %+v, want %d, counting %v", got, c.want, c.counting)
			}
			if changes := got.Replicas != c.current; changes != (got.Reason != "") {
				t.Errorf("the reason of %d -> %d is %q", c.current, got.Replicas, got.Reason)
			}
		})
	}
}

// Each read has a timeout, and one of many pods is slow now and then.
func TestAReadThatFailsNowAndThenDoesNotKeepHubServers(t *testing.T) {
	in := autoscale.Input{Spec: spec(), Current: 4, Now: noon}
	for look := range 40 { // one each 15 s
		in.Hubs = serving(10, 10, 10, 10)
		if look%7 == 5 {
			in.Hubs = unseen(serving(10, 10, 10)...)
		}
		decision := autoscale.Decide(in)
		if decision.Replicas < in.Current {
			return
		}
		in.EnoughSince, in.Now = decision.EnoughSince, in.Now.Add(15*time.Second)
	}
	t.Error("for ten minutes three would have been enough, and there are four")
}

func TestADecisionIsAlwaysSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := autoscale.Input{Spec: spec(), Now: noon, Current: rapid.Int32Range(0, 15).Draw(t, "current")}
		in.Spec.MinReplicas = rapid.Int32Range(1, 5).Draw(t, "least")
		in.Spec.MaxReplicas = rapid.Int32Range(in.Spec.MinReplicas, 12).Draw(t, "most")
		if rapid.Bool().Draw(t, "long enough") {
			in.EnoughSince = noon.Add(-time.Hour)
		}
		seen := true
		for range rapid.IntRange(0, 15).Draw(t, "hub servers") {
			hub := autoscale.Hub{Ending: rapid.Bool().Draw(t, "ending"), Pending: rapid.Bool().Draw(t, "pending")}
			if !hub.Pending {
				hub.Ready = rapid.Bool().Draw(t, "ready")
			}
			if !hub.Pending && rapid.Bool().Draw(t, "seen") {
				hub.Load = &autoscale.Load{Connections: rapid.Int64Range(0, 1000).Draw(t, "connections")}
			}
			seen = seen && !hub.Ending && (hub.Pending || hub.Load != nil && hub.Ready)
			in.Hubs = append(in.Hubs, hub)
		}
		got := autoscale.Decide(in).Replicas
		switch {
		case got < in.Spec.MinReplicas:
			t.Fatalf("%d is below the least", got)
		case got > in.Spec.MaxReplicas:
			t.Fatalf("%d is above the most", got)
		case in.Current > in.Spec.MaxReplicas: // it is for those who carry it out to do that one at a time
		case got < in.Current-1:
			t.Fatalf("%d takes away more than one of %d", got, in.Current)
		case got < in.Current && !seen:
			t.Fatalf("%d takes one of %d away while not all is seen", got, in.Current)
		}
	})
}
