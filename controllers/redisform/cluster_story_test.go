package redisform

import "testing"

// TestClusterStories has whole stories, with what was seen and done at each second.
func TestClusterStories(t *testing.T) {
	t.Parallel()
	stories := []struct {
		story
		tell func(*clusterWorld)
	}{
		{story{name: "form", persistent: true, fromNothing: true}, func(*clusterWorld) {}},
		{story{name: "primary-killed", persistent: true}, func(w *clusterWorld) {
			w.tell("redis-0 is killed, and comes back after 20 seconds")
			w.kill(w.nodes[0])
			w.run(20)
			w.start(w.nodes[0])
		}},
		{story{name: "primary-restarts-empty-at-once"}, func(w *clusterWorld) {
			w.tell("redis-0 starts again without its data, and so without its identity")
			w.kill(w.nodes[0])
			w.start(w.nodes[0])
		}},
		{story{name: "node-lost", persistent: true}, func(w *clusterWorld) {
			w.tell("the node of redis-0 and redis-4 is lost for 5 minutes")
			w.nodes[0].cut, w.nodes[4].cut = true, true
			w.run(300)
			w.tell("it is back")
			w.nodes[0].cut, w.nodes[4].cut = false, false
		}},
		{story{name: "upgrade", persistent: true}, func(w *clusterWorld) {
			w.tell("all pods are outdated")
			for _, n := range w.nodes {
				n.Outdated = true
			}
		}},
		{story{name: "whole-restart-with-volumes", persistent: true}, func(w *clusterWorld) {
			w.tell("all pods end at once, and come back with other addresses")
			w.restartAll()
		}},
		{story{name: "whole-restart-without-volumes", loses: true}, func(w *clusterWorld) {
			w.tell("all pods end at once")
			w.restartAll()
		}},
		{story{name: "partition", persistent: true}, func(w *clusterWorld) {
			w.tell("redis-1 is cut off for a minute, and is still a primary when it is back")
			w.nodes[1].cut = true
			w.run(60)
			w.tell("it is back")
			w.nodes[1].cut = false
		}},
		{story{name: "replica-without-link", persistent: true, replicas: 2}, func(w *clusterWorld) {
			w.tell("the link of redis-3 to its primary breaks; a minute later the node of that and of redis-6 is lost for 2 minutes")
			w.nodes[3].deaf = true
			w.run(60)
			w.nodes[0].cut, w.nodes[6].cut = true, true
			w.run(120)
			w.tell("all is back")
			w.nodes[0].cut, w.nodes[6].cut, w.nodes[3].deaf = false, false, false
		}},
		{story{name: "shard-lost", loses: true}, func(w *clusterWorld) {
			w.tell("redis-0 and redis-3, all that there is of a shard, start again without data")
			w.kill(w.nodes[0])
			w.kill(w.nodes[3])
			w.run(3)
			w.start(w.nodes[0])
			w.start(w.nodes[3])
		}},
		{story{name: "most-primaries-lost"}, func(w *clusterWorld) {
			w.tell("redis-0 and redis-1, two of three primaries, start again without data")
			w.kill(w.nodes[0])
			w.kill(w.nodes[1])
			w.run(10)
			w.start(w.nodes[0])
			w.start(w.nodes[1])
		}},
		{story{name: "more-and-fewer", persistent: true}, func(w *clusterWorld) {
			w.tell("a second replica for each shard is wanted")
			for i := 6; i < 9; i++ {
				w.add(i)
			}
			w.settle()
			w.tell("redis-0 and redis-3 are killed, so that redis-6 is a primary, and only one replica each is wanted")
			w.kill(w.nodes[3])
			w.run(2)
			w.kill(w.nodes[0])
			w.run(30)
			w.start(w.nodes[0])
			w.start(w.nodes[3])
			w.settle()
			for _, n := range w.nodes {
				n.Wanted = n.Ordinal < 6
			}
		}},
	}
	for _, told := range stories {
		t.Run(told.name, func(t *testing.T) {
			t.Parallel()
			w := newClusterWorld(t, 3, max(told.replicas, 1), told.persistent)
			w.settle()
			if !told.fromNothing {
				w.trace = nil
			}
			told.tell(w)
			w.settle()
			if w.emptied != "" {
				t.Error(w.emptied)
			}
			if lost := w.lost(); lost > 0 != told.loses {
				t.Errorf("%d acknowledged writes are lost", lost)
			}
			golden(t, "cluster-"+told.name, w.story())
		})
	}
}

// restartAll ends all pods; they come back with other addresses.
func (w *clusterWorld) restartAll() {
	for _, n := range w.nodes {
		w.kill(n)
	}
	for _, n := range w.nodes {
		n.IP = "new-" + n.Name
		w.start(n)
		w.run(1)
	}
}
