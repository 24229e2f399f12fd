package wire

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/controllers/redisform"
)

// askNode asks a server for its view of the Cluster.
func askNode(ctx context.Context, l *line, server *redisform.Server) error {
	nodes, err := l.ClusterNodes(ctx).Result()
	if err != nil {
		return err
	}
	info, err := l.ClusterInfo(ctx).Result()
	if err != nil {
		return err
	}
	server.Node = readNode(nodes, info)
	return nil
}

// readNode reads the answers to CLUSTER NODES and CLUSTER INFO.
func readNode(nodes, info string) *redisform.Node {
	node := &redisform.Node{}
	for row := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(row), ":")
		switch name {
		case "cluster_state":
			node.Healthy = value == "ok"
		case "cluster_current_epoch":
			node.Epoch = number(value)
		}
	}
	for row := range strings.Lines(nodes) {
		words := strings.Fields(row)
		if len(words) < peerFields {
			continue
		}
		peer := readPeer(words)
		if has(strings.Split(words[2], ","), "myself") {
			node.ID, peer.Connected = peer.ID, true
		}
		node.Table = append(node.Table, peer)
	}
	return node
}

// peerFields is how many words a row of CLUSTER NODES has before the slots.
const peerFields = 8

// readPeer reads "id ip:port@bus,host flags primary ping pong epoch link slots...".
func readPeer(words []string) redisform.Peer {
	flags := strings.Split(words[2], ",")
	address, names, _ := strings.Cut(words[1], ",")
	host, _, _ := strings.Cut(names, ",")
	address, _, _ = strings.Cut(address, "@")
	colon := max(strings.LastIndex(address, ":"), 0)
	peer := redisform.Peer{
		ID: words[0], Host: host, IP: address[:colon], Port: int(number(strings.TrimPrefix(address[colon:], ":"))),
		Connected: words[7] == "connected", Epoch: number(words[6]),
		Handshake: has(flags, "handshake"), Suspected: has(flags, "fail?"), Failed: has(flags, "fail"),
	}
	if words[3] != "-" {
		peer.Primary = words[3]
	}
	for _, word := range words[peerFields:] {
		if strings.HasPrefix(word, "[") {
			continue // on its way between nodes: nobody moves slots here
		}
		first, last, several := strings.Cut(word, "-")
		if !several {
			last = first
		}
		peer.Slots = append(peer.Slots, redisform.SlotRange{First: int(number(first)), Last: int(number(last))})
	}
	return peer
}

// busOffset is how far the port of the bus is from that of clients, if nothing else is said.
const busOffset = 10000

func (j job) meet(ctx context.Context, l *line) error {
	target, err := j.target()
	if err != nil {
		return err
	}
	bus := target.BusPort
	if bus == 0 {
		bus = target.Port + busOffset
	}
	return l.Do(ctx, "CLUSTER", "MEET", target.IP, target.Port, bus).Err()
}

func (j job) number(ctx context.Context, l *line) error {
	return l.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", j.step.Value).Err()
}

func (j job) assign(ctx context.Context, l *line) error {
	return l.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", j.step.Slots.First, j.step.Slots.Last).Err()
}

func (j job) replicate(ctx context.Context, l *line) error {
	return l.ClusterReplicate(ctx, j.step.Target).Err()
}

func (j job) forget(ctx context.Context, l *line) error {
	err := l.ClusterForget(ctx, j.step.Target).Err()
	if redis.HasErrorPrefix(err, "Unknown node") {
		return nil
	}
	return err
}

// takeOverLimit bounds how long a replica may take to take over: a primary lets writes wait no longer for it.
const takeOverLimit = 5 * time.Second

// takeOver waits for the outcome: asking once more would begin anew what is on its way.
func (j job) takeOver(ctx context.Context, l *line) error {
	command := []any{"CLUSTER", "FAILOVER"}
	switch j.step.Value {
	case redisform.Forced:
		command = append(command, "FORCE")
	case redisform.Unasked:
		command = append(command, "TAKEOVER")
	}
	if err := l.Do(ctx, command...).Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, takeOverLimit)
	defer cancel()
	err := until(ctx, func() (bool, error) {
		now, err := stateOf(ctx, l)
		return now.Primary, err
	})
	if err != nil {
		return fmt.Errorf("wait until it takes over: %w", err)
	}
	return nil
}
