package redisform

import "testing"

// settle runs until all is well and has been for a while.
func (w *sentinelWorld) settle() {
	w.t.Helper()
	well := 0
	for range 600 {
		w.tick()
		if well++; w.last.Status.Reason != Healthy || len(w.last.Steps) > 0 || w.last.Status.Changing {
			well = 0
		}
		if well == 2*simInfoPeriod {
			return
		}
	}
	w.t.Fatalf("it does not become well:\n%s", w.story())
}

// story is what a story begins with and how it may end.
type story struct {
	name string
	// persistent: servers have volumes.
	persistent bool
	// fromNothing: the story tells from the first moment on; young: it begins there. Others begin when all is well.
	fromNothing, young bool
	// loses: acknowledged writes are lost, because nobody has them any more.
	loses bool
	// replicas of each shard of a Cluster; 0 is one.
	replicas int
}

// begin runs until the story begins.
func (w *sentinelWorld) begin(told story) {
	w.t.Helper()
	switch {
	case told.fromNothing:
	case told.young:
		w.run(2)
	default:
		w.settle()
		w.trace = nil
	}
}

// TestSentinelStories has whole stories, with what was seen and done at each second.
func TestSentinelStories(t *testing.T) {
	t.Parallel()
	stories := []struct {
		story
		tell func(*sentinelWorld)
	}{
		{story{name: "form", fromNothing: true}, func(*sentinelWorld) {}},
		{story{name: "primary-killed"}, func(w *sentinelWorld) {
			primary := w.accepted()
			w.tell(primary.Name + " is killed, and comes back after 20 seconds without its data")
			w.kill(primary)
			w.run(20)
			w.start(primary)
		}},
		{story{name: "primary-restarts-empty-at-once"}, func(w *sentinelWorld) {
			primary := w.accepted()
			w.tell(primary.Name + " starts again without its data before anybody has missed it")
			w.kill(primary)
			w.start(primary)
		}},
		{story{name: "node-lost", persistent: true}, func(w *sentinelWorld) {
			w.tell("the node of the primary and of a Sentinel is lost for 5 minutes")
			w.servers[0].cut, w.sentinels[0].up = true, false
			w.run(300)
			w.tell("it is back")
			w.servers[0].cut, w.sentinels[0].up = false, true
		}},
		{story{name: "upgrade", persistent: true}, func(w *sentinelWorld) {
			w.tell("all pods are outdated")
			for _, s := range w.servers {
				s.Outdated = true
			}
			for _, s := range w.sentinels {
				s.Outdated = true
			}
		}},
		{story{name: "whole-restart-with-volumes", persistent: true}, func(w *sentinelWorld) {
			w.tell("all pods end at once; the last primary starts last")
			w.restartAll(false)
		}},
		{story{name: "whole-restart-without-volumes", loses: true}, func(w *sentinelWorld) {
			w.tell("all pods end at once; the last primary starts last")
			w.restartAll(true)
		}},
		{story{name: "whole-restart-volume-lost", persistent: true}, func(w *sentinelWorld) {
			w.tell("all pods end at once, and the volume of the last primary is empty")
			w.accepted().disk = nil
			primary := w.accepted()
			w.restartAll(true)
			primary.data, primary.disk = nil, nil
		}},
		{story{name: "partition", persistent: true}, func(w *sentinelWorld) {
			primary := w.accepted()
			w.tell(primary.Name + " is cut off for a minute, and is still a primary when it is back")
			primary.cut = true
			w.run(60)
			w.tell("it is back")
			primary.cut = false
		}},
		{story{name: "replicas-without-link", persistent: true}, func(w *sentinelWorld) {
			primary := w.accepted()
			w.tell("the links of redis-1 and redis-2 break; two minutes later " + primary.Name + " starts again before anybody has missed it")
			w.servers[1].deaf, w.servers[2].deaf = true, true
			w.run(120)
			w.kill(primary)
			w.start(primary)
			w.run(10)
			w.tell("the links are whole again")
			w.servers[1].deaf, w.servers[2].deaf = false, false
		}},
		{story{name: "replicas-without-link-unnoticed", persistent: true}, func(w *sentinelWorld) {
			primary := w.accepted()
			w.tell("the operator is away; the links of redis-1 and redis-2 break, and two minutes later " + primary.Name + " starts again")
			w.away, w.servers[1].deaf, w.servers[2].deaf = true, true, true
			w.run(120)
			w.kill(primary)
			w.start(primary)
			w.run(10)
			w.tell("all are back")
			w.away, w.servers[1].deaf, w.servers[2].deaf = false, false, false
		}},
		{story{name: "operator-away", persistent: true}, func(w *sentinelWorld) {
			primary := w.accepted()
			w.tell("the operator is away; " + primary.Name + " is killed and comes back after 10 seconds")
			w.away = true
			w.kill(primary)
			w.run(10)
			w.start(primary)
			w.run(60)
			w.tell("the operator is back")
			w.away = false
		}},
		{story{name: "sentinels-forget", persistent: true}, func(w *sentinelWorld) {
			w.tell("all Sentinels lose their files")
			for _, s := range w.sentinels {
				s.forget()
			}
		}},
		{story{name: "wrong-primary", persistent: true}, func(w *sentinelWorld) {
			w.tell("a Sentinel watches a stranger")
			w.sentinels[1].forget()
			w.sentinels[1].primary = "stranger:6379"
		}},
		{story{name: "primary-lost-before-its-replicas", young: true}, func(w *sentinelWorld) {
			w.tell("redis-0 is lost before it has a replica of which it could tell the Sentinels")
			w.kill(w.servers[0])
			w.run(80)
			w.tell("it is back")
			w.start(w.servers[0])
		}},
		{story{name: "rival-has-the-data", loses: true}, func(w *sentinelWorld) {
			w.tell("the operator is away, redis-0 is cut off and replaced; two Sentinels lose their files, and its successors their data")
			w.away, w.servers[0].cut = true, true
			w.run(10)
			for _, s := range w.sentinels[:2] {
				s.forget()
			}
			for _, s := range w.servers[1:] {
				w.kill(s)
				w.start(s)
			}
			w.tell("all are back")
			w.away, w.servers[0].cut = false, false
		}},
		{story{name: "fail-over-forgotten"}, func(w *sentinelWorld) {
			w.tell("the operator is away, redis-0 is cut off; the two Sentinels that replace it lose their files, the third was blind")
			w.away, w.servers[0].cut, w.sentinels[1].up = true, true, false
			w.run(10)
			for _, s := range w.sentinels {
				if s.up {
					s.forget()
				}
			}
			w.kill(w.servers[0])
			w.start(w.servers[0])
			w.tell("all are back")
			w.away, w.servers[0].cut, w.sentinels[1].up = false, false, true
		}},
		{story{name: "more-and-fewer", persistent: true}, func(w *sentinelWorld) {
			w.tell("two more replicas are wanted")
			w.addServer(3)
			w.addServer(4)
			w.settle()
			w.tell("redis-0 ends, and then only two servers are wanted")
			w.kill(w.servers[0])
			w.run(20)
			w.start(w.servers[0])
			w.settle()
			for _, s := range w.servers {
				s.Wanted = s.Ordinal < 2
			}
		}},
	}
	for _, told := range stories {
		t.Run(told.name, func(t *testing.T) {
			t.Parallel()
			w := newSentinelWorld(t, 3, 3, told.persistent)
			w.begin(told.story)
			told.tell(w)
			w.settle()
			if w.emptied != "" {
				t.Error(w.emptied)
			}
			if lost := w.lost(); lost > 0 != told.loses {
				t.Errorf("%d of %d acknowledged writes are lost", lost, len(w.acknowledged))
			}
			golden(t, "sentinel-"+told.name, w.story())
		})
	}
}

// restartAll ends all pods; the last primary starts some seconds after the others.
func (w *sentinelWorld) restartAll(forgetful bool) {
	primary := w.accepted()
	for _, s := range w.servers {
		w.kill(s)
	}
	for _, s := range w.sentinels {
		if forgetful {
			s.forget()
		}
	}
	for _, s := range w.servers {
		if s != primary {
			w.start(s)
		}
	}
	w.run(20)
	w.start(primary)
}
