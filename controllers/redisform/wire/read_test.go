package wire

import (
	"reflect"
	"testing"

	"github.com/chatcluster/chatcluster/controllers/redisform"
)

func TestReadNode(t *testing.T) {
	t.Parallel()
	const nodes = "a1 10.0.0.1:6379@16379,redis-0.demo myself,master - 0 0 3 connected 0-5460 5462\n" +
		"b2 10.0.0.2:6379@16379,redis-1.demo slave a1 0 1 3 connected\n" +
		"c3 10.0.0.3:6379@16379 master,fail - 1 1 2 disconnected 5461 [5463->-a1]\n" +
		"d4 :0@0,,shard-id=x master,noaddr - 1 1 1 disconnected\n"
	const info = "cluster_state:ok\r\ncluster_current_epoch:7\r\n"
	want := &redisform.Node{ID: "a1", Healthy: true, Epoch: 7, Table: []redisform.Peer{
		{ID: "a1", Host: "redis-0.demo", IP: "10.0.0.1", Port: 6379, Connected: true, Epoch: 3, Slots: []redisform.SlotRange{{First: 0, Last: 5460}, {First: 5462, Last: 5462}}},
		{ID: "b2", Host: "redis-1.demo", IP: "10.0.0.2", Port: 6379, Connected: true, Epoch: 3, Primary: "a1"},
		{ID: "c3", IP: "10.0.0.3", Port: 6379, Failed: true, Epoch: 2, Slots: []redisform.SlotRange{{First: 5461, Last: 5461}}},
		{ID: "d4", Epoch: 1},
	}}
	if got := readNode(nodes, info); !reflect.DeepEqual(got, want) {
		t.Errorf("got:  %+v\nwant: %+v", got, want)
	}
}

func TestReadInfo(t *testing.T) {
	t.Parallel()
	const info = "# Server\r\nredis_version:7.0.15\r\nrun_id:r\r\nloading:0\r\nrole:slave\r\nmaster_host:redis-0.demo\r\nmaster_port:6379\r\n" +
		"master_link_status:up\r\nmaster_sync_in_progress:0\r\nslave_repl_offset:41\r\nslave_priority:100\r\nconnected_slaves:0\r\n" +
		"master_replid:h\r\nmaster_repl_offset:40\r\nused_memory:5\r\nmaxmemory:10\r\nevicted_keys:2\r\n# Keyspace\r\ndb0:keys=3,expires=0\r\ndb1:keys=4,expires=0\r\n"
	want := redisform.Server{
		Answer:  redisform.Answer{RunID: "r", Version: "7.0.15"},
		Follows: "redis-0.demo:6379", LinkUp: true, Offset: 41, Priority: 100, History: "h", Keys: 7,
		UsedMemory: 5, MaximumMemory: 10, EvictedKeys: 2,
	}
	var got redisform.Server
	readInfo(info, &got)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got:  %+v\nwant: %+v", got, want)
	}
}

func TestReadInfoOfAPrimary(t *testing.T) {
	t.Parallel()
	for info, want := range map[string]redisform.Server{
		"role:master\r\nconnected_slaves:1\r\n":                             {Primary: true, Replicas: 1},
		"role:master\r\nconnected_slaves:1\r\nmin_slaves_good_slaves:1\r\n": {Primary: true, Replicas: 1},
		"role:master\r\nconnected_slaves:1\r\nmin_slaves_good_slaves:0\r\n": {Primary: true, Replicas: 1, RefusesWrites: true},
	} {
		var got redisform.Server
		readInfo(info, &got)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", info, got, want)
		}
	}
}

func TestReadReplica(t *testing.T) {
	t.Parallel()
	fields := func(flags, age, linkDown string) map[string]string {
		return map[string]string{"ip": "redis-1.demo", "port": "6379", "runid": "r", "flags": flags, "slave-priority": "100", "info-refresh": age,
			"master-link-down-time": linkDown}
	}
	longest := longestWithoutLink(map[string]string{"down-after-milliseconds": "5000", "s-down-time": "7000"})
	for _, c := range []struct {
		flags, age, linkDown string
		electable, behind    bool
	}{
		{"slave", "500", "0", true, false},
		{"slave,s_down", "500", "0", false, false},
		{"slave,disconnected", "500", "0", false, false},
		{"slave", "31000", "0", false, false},
		{"slave", "500", "57000", true, false},
		{"slave", "500", "58000", false, true},
	} {
		want := redisform.KnownReplica{Endpoint: "redis-1.demo:6379", RunID: "r", Priority: 100, Electable: c.electable, Behind: c.behind}
		if got := readReplica(fields(c.flags, c.age, c.linkDown), longest); got != want {
			t.Errorf("%s %s %s: %+v, want %+v", c.flags, c.age, c.linkDown, got, want)
		}
	}
}
