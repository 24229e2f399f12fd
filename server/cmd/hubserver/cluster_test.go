package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/host/drain"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

const clusterKey = "0123456789abcdef0123456789abcdef"

// member is a server of a cluster, as a process of its own.
type member struct {
	*process
	peer     string
	operator *http.Client
}

// runMember starts a server that reaches Redis at an address, and waits until it is ready.
func runMember(t *testing.T, redis string, args ...string) *member {
	t.Helper()
	m := &member{peer: fmt.Sprintf("127.0.0.1:%d", redistest.FreePort(t)), operator: operator(t, clusterKey)}
	m.process = run(t, []string{"CHATCLUSTER_CLUSTER_KEY=" + clusterKey}, append([]string{
		"--urls=http://127.0.0.1:0", "--redis-connection=" + redis, "--peer-address=" + m.peer,
	}, args...)...)
	eventually(t, "ready", m.ready)
	return m
}

// operator asks the peer ports of servers.
func operator(t *testing.T, key string) *http.Client {
	t.Helper()
	keys, err := cluster.NewKeys([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: keys.PeerTLS()}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

func (m *member) ready() bool {
	response, err := http.Get(m.address + "/readyz")
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// drain asks for the drain of the server at its peer port.
func (m *member) drain(method string) (status int, progress drain.Progress) {
	m.t.Helper()
	response, err := m.ask(m.operator, "https://", method)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&progress); err != nil {
		m.t.Fatal(err)
	}
	return response.StatusCode, progress
}

func (m *member) ask(client *http.Client, scheme, method string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(m.t.Context(), method, scheme+m.peer+drain.Path, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	return client.Do(request)
}

// kill ends the server without a word.
func (m *member) kill() {
	m.t.Helper()
	m.signal(syscall.SIGKILL)
	m.exit()
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(patience); !ask(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// hostOf is the part of the address of a hub that a proxy leads to.
func hostOf(address string) string { return strings.TrimPrefix(address, "http://") }
