package host

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/chatcluster/chatcluster/server/host/config"
)

// pair is two servers on one Redis.
type pair struct {
	redis         *miniredis.Miniredis
	first, second *running
}

func startPair(t *testing.T) pair {
	t.Helper()
	server := startRedis(t)
	p := pair{server, start(t, useRedis(server)), start(t, useRedis(server))}
	eventually(t, "both ready", func() bool { return p.first.ready() && p.second.ready() })
	return p
}

// post sends a message of a client.
func (r *running) post(token, message string) (status int, body string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.address()+"/chatHub?id="+token, strings.NewReader(message+"\x1e"))
	if err != nil {
		r.t.Fatal(err)
	}
	response, err := web.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func (r *running) poll(token string) (status int, body string) {
	r.t.Helper()
	return r.do(http.MethodGet, "/chatHub?id="+token, nil)
}

func expectAnswer(t *testing.T, status int, body string, wantStatus int, wantBody string) {
	t.Helper()
	if status != wantStatus || body != wantBody {
		t.Fatalf("%d %q, want %d %q", status, body, wantStatus, wantBody)
	}
}

func TestAnyServerTakesAnyRequestOfALongPollingConnection(t *testing.T) {
	p := startPair(t)
	token := negotiate(t, p.first.address()+"/chatHub")
	status, body := p.second.poll(token)
	expectAnswer(t, status, body, http.StatusOK, "")
	status, body = p.first.post(token, `{"protocol":"json","version":1}`)
	expectAnswer(t, status, body, http.StatusOK, "")
	status, body = p.first.poll(token)
	expectAnswer(t, status, body, http.StatusOK, "{}\x1e")
	status, body = p.second.post(token, `{"type":1,"invocationId":"1","target":"Echo","arguments":["a"]}`)
	expectAnswer(t, status, body, http.StatusOK, "")
	status, body = p.first.poll(token)
	expectAnswer(t, status, body, http.StatusOK, `{"type":3,"invocationId":"1","result":"a"}`+"\x1e")
	status, _ = p.first.do(http.MethodDelete, "/chatHub?id="+token, nil)
	expectAnswer(t, status, "", http.StatusAccepted, "")
	for _, r := range []*running{p.first, p.second} {
		status, body = r.poll(token)
		expectAnswer(t, status, body, http.StatusNotFound, "No Connection with that ID")
	}
}

func TestAnyServerTakesAnyRequestOfAnEventStream(t *testing.T) {
	p := startPair(t)
	token := negotiate(t, p.first.address()+"/chatHub")
	// The connection is claimed by a request that the stream then does not reach.
	status, body := p.first.post(token, `{"protocol":"json","version":1}`)
	expectAnswer(t, status, body, http.StatusOK, "")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.second.address()+"/chatHub?id="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	patient := &http.Client{Transport: web.Transport} // it is the server that ends the stream
	response, err := patient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	expectLine := func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() != "" {
				break
			}
		}
		if lines.Text() != want {
			t.Fatalf("line %q, want %q (%v)", lines.Text(), want, lines.Err())
		}
	}
	expectLine(":")
	expectLine("data: {}\x1e")
	for _, r := range []*running{p.second, p.first} {
		status, body = r.post(token, `{"type":1,"invocationId":"1","target":"Echo","arguments":["a"]}`)
		expectAnswer(t, status, body, http.StatusOK, "")
		expectLine(`data: {"type":3,"invocationId":"1","result":"a"}` + "\x1e")
	}
	// The client may stay for ever. The server between ends all the same, and nothing of it is cut for being late.
	if err := p.second.end(); err != nil {
		t.Errorf("the server that forwards ends with: %v", err)
	}
	eventually(t, "the connection has ended at its owner", func() bool { return p.first.host.hubs.Connections() == 0 })
}

// negotiateStateful returns the token of a new connection with stateful reconnect.
func negotiateStateful(t testing.TB, address string) string {
	t.Helper()
	status, body := fetch(t, http.MethodPost, address+"/negotiate?negotiateVersion=1&useStatefulReconnect=true", nil)
	var answer struct {
		ConnectionToken      string `json:"connectionToken"`
		UseStatefulReconnect bool   `json:"useStatefulReconnect"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || !answer.UseStatefulReconnect {
		t.Fatalf("negotiate: %d %s", status, body)
	}
	return answer.ConnectionToken
}

func TestStatefulClientResumesAtAnyServer(t *testing.T) {
	p := startPair(t)
	token := negotiateStateful(t, p.first.address()+"/chatHub")
	c, err := dial(t, p.second.address()+"/chatHub?id="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.send(`{"protocol":"json","version":2}`)
	c.expect(`{}`)
	c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["a"]}`)
	c.expect(`{"type":3,"invocationId":"1","result":"a"}`)
	for _, r := range []*running{p.first, p.first, p.second, p.first} {
		_ = c.socket.CloseNow()
		if c, err = dial(t, r.address()+"/chatHub?id="+token, nil); err != nil {
			t.Fatal(err)
		}
		c.send(`{"type":9,"sequenceId":1}`)
		c.expect(`{"type":9,"sequenceId":1}`)
		c.expect(`{"type":3,"invocationId":"1","result":"a"}`)
	}
}

func TestAConnectionIsOfItsUserAtEveryServer(t *testing.T) {
	redis := startRedis(t)
	guarded := func(c *config.Config) { c.RedisConnection, c.JWTKey = redis.Addr(), tokenKey }
	first, second := start(t, guarded), start(t, guarded)
	eventually(t, "both ready", func() bool { return first.ready() && second.ready() })
	ann, bob := "&access_token="+tokenFor(t, tokenKey, "ann", time.Hour), "&access_token="+tokenFor(t, tokenKey, "bob", time.Hour)
	status, body := fetch(t, http.MethodPost, first.address()+"/chatHub/negotiate?negotiateVersion=1"+ann, nil)
	var answer struct{ ConnectionToken string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(status, body, err)
	}
	token := answer.ConnectionToken
	status, body = first.poll(token + ann)
	expectAnswer(t, status, body, http.StatusOK, "")
	forged := strings.ToUpper(token)
	for _, r := range []*running{first, second} {
		for what, id := range map[string]string{
			"another user's": token + bob, "forged": forged + ann, "cut": token[:len(token)-4] + ann, "unknown": "unknown" + ann,
		} {
			if status, body := r.post(id, "x"); status != http.StatusNotFound || body != "No Connection with that ID" {
				t.Errorf("%s token: %d %q", what, status, body)
			}
		}
		if status, _ := r.post(token, "x"); status != http.StatusUnauthorized {
			t.Errorf("nobody: %d", status)
		}
	}
	status, body = second.post(token+ann, `{"protocol":"json","version":1}`)
	expectAnswer(t, status, body, http.StatusOK, "")
}
