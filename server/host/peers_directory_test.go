package host

import (
	"context"
	"fmt"
	"testing"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// The directory is on whatever servers the connection string names: scripts touch one key each, and each key is where it
// belongs.
func TestTheDirectoryWorksOnARedisCluster(t *testing.T) {
	nodes := redistest.StartCluster(t)
	connection, err := redis.ParseConnectionString(nodes.Endpoints())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(connection.Options())
	defer func() { _ = client.Close() }()
	directory := cluster.NewRedisDirectory(client, "app.")
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
		entries, err := directory.Swap(ctx, changes...)
		if err != nil {
			t.Fatal(err)
		}
		for at, entry := range entries {
			if entry.Owner != first {
				t.Errorf("%s belongs to %+v", changes[at].ConnectionID, entry)
			}
		}
	}
	if entry, err := directory.Find(ctx, "connection7"); err != nil || entry.Owner != first {
		t.Errorf("found %+v, %v", entry, err)
	}
}
