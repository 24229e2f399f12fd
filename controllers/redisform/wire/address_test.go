package wire_test

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/controllers/redisform"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// TestSentinelAddressesChange starts all servers again elsewhere. They keep their names, here the ports of proxies, and so
// nobody has to be told: the Sentinels are not touched.
func TestSentinelAddressesChange(t *testing.T) {
	t.Parallel()
	f := newSentinelForm(t, true)
	proxies, folders := make(map[string]*redistest.Proxy), make(map[string]string)
	run := func(proxy *redistest.Proxy, folder string) *redistest.Server {
		_, port, err := net.SplitHostPort(proxy.Address)
		must(t, err)
		lines := append(options(redisform.ServerDirectives(f.wanted.Form, 2, f.wanted.Timing)),
			"--appendonly", "yes", "--dir", folder, "--replica-announce-ip", "127.0.0.1", "--replica-announce-port", port)
		process := redistest.Start(t, lines...)
		proxy.Retarget(process.Address)
		return process
	}
	for range 3 {
		proxy, folder := redistest.StartProxy(t, "127.0.0.1:1"), t.TempDir()
		process := run(proxy, folder)
		_, text, err := net.SplitHostPort(proxy.Address)
		must(t, err)
		port, err := strconv.Atoi(text)
		must(t, err)
		member := f.add(redisform.ServerKind, process, proxy.Address, port)
		proxies[member.Name], folders[member.Name] = proxy, folder
		f.addSentinel()
	}
	f.settle("form")
	conn := f.processes[f.out.Status.Primary].Client(t, redis.Options{}).Conn()
	must(t, conn.Set(t.Context(), "precious", "data", 0).Err())
	must(t, conn.Wait(t.Context(), 2, patience).Err())
	must(t, conn.Close())

	for name := range proxies {
		f.processes[name].Kill()
	}
	for name, proxy := range proxies {
		f.processes[name] = run(proxy, folders[name])
	}
	f.trace = nil
	f.settle("all have other addresses")
	value, err := f.processes[f.out.Status.Primary].Client(t, redis.Options{}).Get(t.Context(), "precious").Result()
	if err != nil || value != "data" {
		t.Errorf("it is lost: %q %v", value, err)
	}
	for _, line := range f.trace {
		if strings.Contains(line, string(redisform.Watch)+" ") || strings.Contains(line, string(redisform.Refresh)+" ") {
			t.Errorf("a Sentinel had to be told: %s", line)
		}
	}
}
