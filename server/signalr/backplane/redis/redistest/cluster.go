package redistest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// Cluster is a Redis Cluster of three masters with a replica each, quick to act: a fail-over takes two seconds or three.
type Cluster struct {
	// Nodes are the masters, at first, then the replicas in the same order.
	Nodes []*Server
}

const (
	clusterMasters = 3
	clusterSlots   = 16384
)

// StartCluster starts a Cluster and waits until it serves. The options are for all nodes.
func StartCluster(t testing.TB, options ...string) *Cluster {
	t.Helper()
	c := &Cluster{}
	for range 2 * clusterMasters {
		c.Nodes = append(c.Nodes, startNode(t, options))
	}
	c.assign(t)
	c.introduce(t)
	c.replicate(t)
	c.AwaitHealth(t)
	return c
}

func startNode(t testing.TB, options []string) *Server {
	t.Helper()
	bus := FreePort(t)
	return Start(t, append([]string{
		"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "1500",
		"--cluster-replica-validity-factor", "0", "--cluster-announce-ip", "127.0.0.1",
	}, options...)...)
}

// assign gives each master its part of the slots, and an epoch of its own, lest they take time to agree.
func (c *Cluster) assign(t testing.TB) {
	t.Helper()
	for at, node := range c.Nodes {
		client := node.Client(t, goredis.Options{})
		must(t, client.Do(context.Background(), "CLUSTER", "SET-CONFIG-EPOCH", at+1).Err())
		if at < clusterMasters {
			first, next := at*clusterSlots/clusterMasters, (at+1)*clusterSlots/clusterMasters
			must(t, client.ClusterAddSlotsRange(context.Background(), first, next-1).Err())
		}
	}
}

func (c *Cluster) introduce(t testing.TB) {
	t.Helper()
	first := c.Nodes[0].Client(t, goredis.Options{})
	for _, node := range c.Nodes[1:] {
		bus, err := node.Client(t, goredis.Options{}).ConfigGet(context.Background(), "cluster-port").Result()
		must(t, err)
		must(t, first.Do(context.Background(), "CLUSTER", "MEET", "127.0.0.1", node.Port, bus["cluster-port"]).Err())
	}
	for _, node := range c.Nodes {
		client := node.Client(t, goredis.Options{})
		eventually(t, "the nodes know each other", func() error {
			nodes, err := client.ClusterNodes(context.Background()).Result()
			if known := strings.Count(nodes, " connected"); err == nil && (known < len(c.Nodes) || strings.Contains(nodes, "handshake")) {
				err = fmt.Errorf("%w: %d of %d", errNotYet, known, len(c.Nodes))
			}
			return err
		})
	}
}

func (c *Cluster) replicate(t testing.TB) {
	t.Helper()
	for at, node := range c.Nodes[clusterMasters:] {
		master, err := c.Nodes[at].Client(t, goredis.Options{}).ClusterMyID(context.Background()).Result()
		must(t, err)
		client := node.Client(t, goredis.Options{})
		eventually(t, "a node becomes a replica", func() error { return client.ClusterReplicate(context.Background(), master).Err() })
		eventually(t, "the replica follows its master", func() error { return linked(t, client) })
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// AwaitHealth waits until all running nodes say that all slots are served.
func (c *Cluster) AwaitHealth(t testing.TB) {
	t.Helper()
	for _, node := range c.Nodes {
		if node.process.alive() != nil {
			continue
		}
		client := node.Client(t, goredis.Options{})
		eventually(t, "the Cluster is well", func() error {
			info, err := client.ClusterInfo(context.Background()).Result()
			if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_slots_ok:16384")) {
				err = errNotYet
			}
			return err
		})
	}
}

// Endpoints are the addresses of all nodes, between commas.
func (c *Cluster) Endpoints() string { return endpoints(c.Nodes) }

// Owner returns the running master that has the slot of key, by the word of the first running node.
func (c *Cluster) Owner(t testing.TB, key string) *Server {
	t.Helper()
	var owner *Server
	eventually(t, "a node owns the slot of "+quote(key), func() (err error) {
		owner, err = c.owner(t, key)
		return err
	})
	return owner
}

var errNoOwner = errors.New("no running node owns the slot")

func (c *Cluster) owner(t testing.TB, key string) (*Server, error) {
	t.Helper()
	for _, node := range c.Nodes {
		if node.process.alive() != nil {
			continue
		}
		client := node.Client(t, goredis.Options{})
		slot, err := client.ClusterKeySlot(context.Background(), key).Result()
		if err != nil {
			return nil, err
		}
		slots, err := client.ClusterSlots(context.Background()).Result() //nolint:staticcheck // as the code under test
		if err != nil {
			return nil, err
		}
		for _, part := range slots {
			if int(slot) >= part.Start && int(slot) <= part.End && len(part.Nodes) > 0 {
				return c.running(part.Nodes[0].Addr)
			}
		}
	}
	return nil, errNoOwner
}

func (c *Cluster) running(address string) (*Server, error) {
	for _, node := range c.Nodes {
		if node.Address == address && node.process.alive() == nil {
			return node, nil
		}
	}
	return nil, fmt.Errorf("%w: it is of %s", errNoOwner, address)
}
