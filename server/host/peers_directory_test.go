package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// openDirectory opens the directory on a Redis Cluster of its own.
func openDirectory(t *testing.T, options ...string) (*redistest.Cluster, cluster.Directory) {
	t.Helper()
	nodes := redistest.StartCluster(t, options...)
	connection, err := redis.ParseConnectionString(nodes.Endpoints())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(connection.Options())
	t.Cleanup(func() { _ = client.Close() })
	return nodes, cluster.NewRedisDirectory(client, "app.")
}

// The directory is on whatever servers the connection string names: scripts touch one key each, and each key is where it
// belongs.
func TestTheDirectoryWorksOnARedisCluster(t *testing.T) {
	_, directory := openDirectory(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	first, second := cluster.Peer{Instance: "m_a", Address: "10.0.0.1:9091"}, cluster.Peer{Instance: "m_b", Address: "10.0.0.2:9091"}
	for _, peer := range []cluster.Peer{first, second} {
		if _, err := directory.Renew(ctx, peer, cluster.Load{State: cluster.Ready}); err != nil {
			t.Fatal(err)
		}
	}
	if peers, err := directory.Renew(ctx, first, cluster.Load{State: cluster.Ready}); err != nil || len(peers) != 2 {
		t.Errorf("servers: %v, %v", peers, err)
	}
	const connections = 100 // on all nodes, one script each in one pipeline
	var claims, rivals []cluster.Change
	for number := range connections {
		id := fmt.Sprint("connection", number)
		claims = append(claims, cluster.Change{ConnectionID: id, To: cluster.Entry{Owner: first, Epoch: 1}})
		rivals = append(rivals, cluster.Change{ConnectionID: id, To: cluster.Entry{Owner: second, Epoch: 1}})
	}
	for _, changes := range [][]cluster.Change{claims, rivals} {
		for at, result := range directory.Swap(ctx, changes...) {
			if result.Entry.Owner != first {
				t.Errorf("%s belongs to %+v", changes[at].ConnectionID, result)
			}
		}
	}
	if entry, err := directory.Find(ctx, "connection7"); err != nil || entry.Owner != first {
		t.Errorf("found %+v, %v", entry, err)
	}
}

// A Cluster may serve some slots while others are down. Entries in these must not cost those in the others.
func TestAShardThatIsDownKeepsNoOtherFromWriting(t *testing.T) {
	nodes, directory := openDirectory(t, "--cluster-require-full-coverage", "no")
	owner := cluster.Peer{Instance: "m_a", Address: "10.0.0.1:9091"}
	const connections = 100
	var holdings []cluster.Holding
	for number := range connections {
		holdings = append(holdings, cluster.Holding{ConnectionID: fmt.Sprint("connection", number), Epoch: 1})
	}
	down := nodes.Owner(t, "app.chatcluster:connection:connection0")
	at := slices.Index(nodes.Nodes, down)
	nodes.Nodes[at+len(nodes.Nodes)/2].Kill() // its replica
	down.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	results := directory.Assert(ctx, owner, holdings...)
	if err := results[0].Err; err == nil || errors.Is(err, cluster.ErrUnreadable) {
		t.Errorf("what cannot be reached is %+v", results[0])
	}
	written := 0
	for _, result := range results {
		if result.Err == nil && result.Entry.Owner == owner {
			written++
		}
	}
	if written < connections/2 {
		t.Errorf("%d of %d entries are written", written, connections)
	}
}
