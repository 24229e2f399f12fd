package redisform

import "testing"

// TestClusterStories has whole stories, with what was seen and done at each second.
func TestClusterStories(t *testing.T) {
	t.Parallel()
	stories := []struct {
		name       string
		persistent bool
		loses      bool
		tell       func(*clusterWorld)
	}{
		{"form", true, false, func(*clusterWorld) {}},
		{"primary-killed", true, false, func(w *clusterWorld) {
			w.tell("redis-0 is killed, and comes back after 20 seconds")
			w.kill(w.nodes[0])
			w.run(20)
			w.start(w.nodes[0])
		}},
		{"primary-restarts-empty-at-once", false, false, func(w *clusterWorld) {
			w.tell("redis-0 starts again without its data, and so without its identity")
			w.kill(w.nodes[0])
			w.start(w.nodes[0])
		}},
		{"node-lost", true, false, func(w *clusterWorld) {
			w.tell("the node of redis-0 and redis-4 is lost for 5 minutes")
			w.nodes[0].cut, w.nodes[4].cut = true, true
			w.run(300)
			w.tell("it is back")
			w.nodes[0].cut, w.nodes[4].cut = false, false
		}},
		{"upgrade", true, false, func(w *clusterWorld) {
			w.tell("all pods are outdated")
			for _, n := range w.nodes {
				n.Outdated = true
			}
		}},
		{"whole-restart-with-volumes", true, false, func(w *clusterWorld) {
			w.tell("all pods end at once, and come back with other addresses")
			w.restartAll()
		}},
		{"whole-restart-without-volumes", false, true, func(w *clusterWorld) {
			w.tell("all pods end at once")
			w.restartAll()
		}},
		{"partition", true, false, func(w *clusterWorld) {
			w.tell("redis-1 is cut off for a minute, and is still a primary when it is back")
			w.nodes[1].cut = true
			w.run(60)
			w.tell("it is back")
			w.nodes[1].cut = false
		}},
		{"shard-lost", false, true, func(w *clusterWorld) {
			w.tell("redis-0 and redis-3, all that there is of a shard, start again without data")
			w.kill(w.nodes[0])
			w.kill(w.nodes[3])
			w.run(3)
			w.start(w.nodes[0])
			w.start(w.nodes[3])
		}},
		{"most-primaries-lost", false, false, func(w *clusterWorld) {
			w.tell("redis-0 and redis-1, two of three primaries, start again without data")
			w.kill(w.nodes[0])
			w.kill(w.nodes[1])
			w.run(10)
			w.start(w.nodes[0])
			w.start(w.nodes[1])
		}},
		{"more-and-fewer", true, false, func(w *clusterWorld) {
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
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			w := newClusterWorld(t, 3, 1, story.persistent)
			w.settle()
			if story.name != "form" {
				w.trace = nil
			}
			story.tell(w)
			w.settle()
			if w.emptied != "" {
				t.Error(w.emptied)
			}
			if lost := w.lost(); lost > 0 != story.loses {
				t.Errorf("%d acknowledged writes are lost", lost)
			}
			golden(t, "cluster-"+story.name, w.story())
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
