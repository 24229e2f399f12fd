package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// ServiceName is what the Sentinels of a test call their master.
const ServiceName = "mymaster"

// Sentinels are three redis-sentinel that watch one master and its replicas, quick to act: a fail-over takes a second or
// two.
type Sentinels struct {
	// Servers are the Sentinels themselves.
	Servers []*Server
	// Redis are the master, at first, and its replicas.
	Redis []*Server
}

// StartSentinels starts a master with one replica and three Sentinels. The options are for master and replica.
func StartSentinels(t testing.TB, options ...string) *Sentinels {
	t.Helper()
	need(t, "redis-server")
	master := Start(t, options...)
	s := &Sentinels{Redis: []*Server{master, StartReplica(t, master, options...)}}
	for range 3 {
		s.Servers = append(s.Servers, startSentinel(t, master))
	}
	for _, sentinel := range s.Servers {
		client := sentinel.Client(t, goredis.Options{})
		eventually(t, "the Sentinels know each other and the replica", func() error { return knows(client, 1, 2) })
		eventually(t, "the Sentinels see the replica", func() error { return healthy(client) })
	}
	return s
}

func startSentinel(t testing.TB, master *Server) *Server {
	t.Helper()
	return StartSentinel(t, goredis.Options{},
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", ServiceName, master.Port),
		"sentinel down-after-milliseconds "+ServiceName+" 500",
		"sentinel failover-timeout "+ServiceName+" 2000",
	)
}

// StartSentinel starts a Sentinel with the given lines of configuration, quick to act. The login is one that it accepts; with a
// TLSConfig the Sentinel speaks TLS only, and the lines must name its files.
func StartSentinel(t testing.TB, login goredis.Options, configuration ...string) *Server {
	t.Helper()
	need(t, "redis-server")
	port, encrypted := FreePort(t), login.TLSConfig != nil
	listen := []string{fmt.Sprintf("port %d", port)}
	if encrypted {
		listen = []string{"port 0", fmt.Sprintf("tls-port %d", port), "tls-replication yes"}
	}
	directory := t.TempDir()
	file := filepath.Join(directory, "sentinel.conf")
	configuration = slices.Concat(listen, []string{"bind 127.0.0.1", "dir " + directory}, configuration)
	if err := os.WriteFile(file, []byte(strings.Join(configuration, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{Address: loopback(port), Port: port, encrypted: encrypted}
	// Not redis-sentinel: it comes in a package of its own in some distributions, and is no other program.
	s.process.program, s.process.arguments = "redis-server", []string{file, "--sentinel"}
	t.Cleanup(s.Kill)
	s.Start(t)
	s.Quicken(t, login)
	return s
}

// Start starts a Sentinel again. It is as quick as before.
func (s *Sentinels) Start(t testing.TB, index int) {
	t.Helper()
	s.Servers[index].Start(t)
	s.Servers[index].Quicken(t, goredis.Options{})
}

// Quicken makes a Sentinel look more often than it does by default, and not pause for half a minute when the machine is
// busy. It holds until the Sentinel ends.
func (s *Server) Quicken(t testing.TB, login goredis.Options) {
	t.Helper()
	client := s.Client(t, login)
	eventually(t, "the Sentinel takes its settings", func() error {
		return client.Do(context.Background(), "SENTINEL", "DEBUG",
			"INFO-PERIOD", "200", "PUBLISH-PERIOD", "200", "ASK-PERIOD", "200", "PING-PERIOD", "100",
			"TILT-PERIOD", "500", "TILT-TRIGGER", "10000").Err()
	})
}

// stateOf returns what a Sentinel knows of its master.
func stateOf(client *goredis.Client) (map[string]string, error) {
	state, err := client.Do(context.Background(), "SENTINEL", "MASTER", ServiceName).StringSlice()
	fields := make(map[string]string)
	for at := 0; at+1 < len(state); at += 2 {
		fields[state[at]] = state[at+1]
	}
	return fields, err
}

// knows tells whether a Sentinel knows so many replicas and other Sentinels.
func knows(client *goredis.Client, replicas, others int) error {
	state, err := stateOf(client)
	if err != nil {
		return err
	}
	if state["num-slaves"] != strconv.Itoa(replicas) || state["num-other-sentinels"] != strconv.Itoa(others) || state["flags"] != "master" {
		return fmt.Errorf("%w: %s replicas, %s others, %s", errNotYet, state["num-slaves"], state["num-other-sentinels"], state["flags"])
	}
	return nil
}

// Endpoints are the addresses of the Sentinels, between commas.
func (s *Sentinels) Endpoints() string { return endpoints(s.Servers) }

func endpoints(servers []*Server) string {
	addresses := make([]string, len(servers))
	for i, server := range servers {
		addresses[i] = server.Address
	}
	return strings.Join(addresses, ",")
}

// Master returns the server that all running Sentinels take for the master, once they agree and it is one.
func (s *Sentinels) Master(t testing.TB) *Server {
	t.Helper()
	var master *Server
	eventually(t, "the Sentinels agree on a master", func() (err error) {
		master, err = s.agreed(t)
		return err
	})
	return master
}

func (s *Sentinels) agreed(t testing.TB) (*Server, error) {
	t.Helper()
	var agreed string
	for _, sentinel := range s.Servers {
		if sentinel.process.alive() != nil {
			continue
		}
		found, err := masterOf(sentinel)
		if err == nil && agreed != "" && found != agreed {
			err = fmt.Errorf("%w: %s or %s", errNotYet, agreed, found)
		}
		if err != nil {
			return nil, err
		}
		agreed = found
	}
	for _, server := range s.Redis {
		if server.Address == agreed {
			role, err := roleOf(server)
			if err == nil && role != "master" {
				err = fmt.Errorf("%w: %s is a %s", errNotYet, agreed, role)
			}
			return server, err
		}
	}
	return nil, fmt.Errorf("%w: no server at %s", errNotYet, quote(agreed))
}

func masterOf(sentinel *Server) (string, error) {
	client := goredis.NewSentinelClient(&goredis.Options{Addr: sentinel.Address, MaxRetries: -1})
	defer func() { _ = client.Close() }()
	address, err := client.GetMasterAddrByName(context.Background(), ServiceName).Result()
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(address[0], address[1]), nil
}

func roleOf(server *Server) (string, error) {
	client := goredis.NewClient(&goredis.Options{Addr: server.Address, MaxRetries: -1})
	defer func() { _ = client.Close() }()
	role, err := client.Do(context.Background(), "ROLE").Slice()
	if err != nil {
		return "", err
	}
	return fmt.Sprint(role[0]), nil
}

// FailOver asks the Sentinels to make the replica the master, and returns it when it is.
func (s *Sentinels) FailOver(t testing.TB) *Server {
	t.Helper()
	before := s.Master(t)
	client := s.Servers[0].Client(t, goredis.Options{})
	var master *Server
	eventually(t, "the Sentinels agree on another master", func() (err error) {
		if err := failOver(client, before); err != nil {
			return err
		}
		// On a busy machine the others may take the new master for dead at once, and go back: then it is asked again.
		master, err = s.agreed(t)
		if err == nil && master == before {
			err = fmt.Errorf("%w: it is %s again", errNotYet, before.Address)
		}
		return err
	})
	return master
}

// failOver asks a Sentinel to replace a master until it has: a fail-over may be given up for lack of a replica that is
// known to be well.
func failOver(client *goredis.Client, before *Server) error {
	state, err := stateOf(client)
	if err != nil || state["port"] != strconv.Itoa(before.Port) {
		return err
	}
	if !strings.Contains(state["flags"], "failover_in_progress") {
		if err := client.Do(context.Background(), "SENTINEL", "FAILOVER", ServiceName).Err(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: it is still %s", errNotYet, before.Address)
}

// AwaitFailOver waits until another server than before is the master.
func (s *Sentinels) AwaitFailOver(t testing.TB, before *Server) *Server {
	t.Helper()
	var master *Server
	eventually(t, "another server is the master", func() (err error) {
		master, err = s.agreed(t)
		if err == nil && master == before {
			err = fmt.Errorf("%w: it is still %s", errNotYet, before.Address)
		}
		return err
	})
	return master
}

// AwaitReplica waits until the master has a running replica with its data, as another fail-over needs it.
func (s *Sentinels) AwaitReplica(t testing.TB) {
	t.Helper()
	master := s.Master(t)
	for _, server := range s.Redis {
		if server == master || server.process.alive() != nil {
			continue
		}
		client := server.Client(t, goredis.Options{})
		eventually(t, "the replica follows the new master", func() error { return linked(t, client) })
	}
	for _, sentinel := range s.Servers {
		if sentinel.process.alive() != nil {
			continue
		}
		client := sentinel.Client(t, goredis.Options{})
		eventually(t, "the Sentinels see the replica", func() error { return healthy(client) })
	}
}

// healthy tells whether a Sentinel has a replica that it could promote.
func healthy(client *goredis.Client) error {
	replicas, err := client.Do(context.Background(), "SENTINEL", "REPLICAS", ServiceName).Slice()
	if err != nil {
		return err
	}
	for _, replica := range replicas {
		text := fmt.Sprint(replica)
		if strings.Contains(text, "master-link-status ok") && strings.Contains(text, "flags slave ") {
			return nil
		}
	}
	return fmt.Errorf("%w: %v", errNotYet, replicas)
}
