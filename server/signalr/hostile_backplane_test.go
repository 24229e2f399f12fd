package signalr_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/tinylib/msgp/msgp"

	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// startHubOn is startHub for a hub whose backplane is at a Redis.
func startHubOn(t *testing.T, server *redistest.Server, value any) (*signalr.Hub, string) {
	t.Helper()
	plane := redis.New(redis.Options{Redis: &goredis.Options{Addr: server.Address}})
	t.Cleanup(func() { _ = plane.Close() })
	hubs, err := signalr.NewServer(signalr.ServerOptions{Backplane: plane})
	must(t, err)
	hub, err := hubs.Hub("Test", value, signalr.HubOptions{})
	must(t, err)
	web := httptest.NewServer(hub.Endpoint(signalr.EndpointOptions{}))
	t.Cleanup(web.Close)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		must(t, hubs.Shutdown(ctx))
	})
	return hub, web.URL
}

// connectKnown connects a client, waits until messages reach it, and tells its connection's id.
func connectKnown(t *testing.T, address string) (c *client, connectionID string) {
	t.Helper()
	known := negotiate(t, address)
	c = dial(t, address+"?id="+known.ConnectionToken)
	c.send(`{"protocol":"json","version":1}`, `{"type":1,"invocationId":"1","target":"Echo","arguments":["here"]}`)
	c.expect(`{}`, `{"type":3,"invocationId":"1","result":"here"}`)
	return c, known.ConnectionID
}

// question is a payload that asks whoever gets it for a result.
func question(invocationID string) []byte {
	frame := fmt.Sprintf("{\"type\":1,\"invocationId\":\"%s\",\"target\":\"Ask\",\"arguments\":[]}\x1e", invocationID)
	payload := msgp.AppendArrayHeader(nil, 4)
	payload = msgp.AppendArrayHeader(payload, 0)
	payload = msgp.AppendMapHeader(payload, 1)
	payload = msgp.AppendBytes(msgp.AppendString(payload, "json"), []byte(frame))
	return msgp.AppendString(msgp.AppendString(payload, invocationID), "Test:internal:return:asker")
}

// No server asks several clients for one result. Who does it harms nobody else: one client answers, all of them leave, and the
// server goes on.
func TestAResultThatSeveralClientsAreAskedForHarmsNobody(t *testing.T) {
	for name, test := range map[string]struct {
		channels func(first, second string) []string
		answers  int
	}{
		"all of them": {func(string, string) []string { return []string{"Test:all"} }, 0},
		"two, one by one": {func(first, second string) []string {
			return []string{"Test:connection:" + first, "Test:connection:" + second}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			publisher := server.Client(t, goredis.Options{})
			returned := publisher.Subscribe(t.Context(), "Test:internal:return:asker")
			t.Cleanup(func() { _ = returned.Close() })
			_, err := returned.Receive(t.Context())
			must(t, err)
			value := &testHub{gone: make(chan error, 2)}
			hub, address := startHubOn(t, server, value)
			first, firstID := connectKnown(t, address)
			second, secondID := connectKnown(t, address)
			for _, channel := range test.channels(firstID, secondID) {
				must(t, publisher.Publish(t.Context(), channel, question("q")).Err())
			}
			for _, asked := range []*client{first, second} {
				asked.expect(`{"type":1,"invocationId":"q","target":"Ask","arguments":[]}`)
			}
			second.send(`{"type":3,"invocationId":"q","result":"mine"}`, `{"type":1,"invocationId":"2","target":"Echo","arguments":["on"]}`)
			second.expect(`{"type":3,"invocationId":"2","result":"on"}`)
			for range test.answers {
				_, err := returned.ReceiveTimeout(t.Context(), patience)
				must(t, err)
			}
			for _, leaving := range []*client{first, second} {
				_ = leaving.socket.CloseNow()
				select {
				case <-value.gone:
				case <-time.After(patience):
					t.Fatal("the server does not notice that a client has left")
				}
			}
			bystander, _ := connectKnown(t, address)
			must(t, hub.Clients().All().Send(t.Context(), "Receive", "alive"))
			bystander.expect(`{"type":1,"target":"Receive","arguments":["alive"]}`)
			_ = bystander.socket.CloseNow()
		})
	}
}
