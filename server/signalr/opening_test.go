package signalr_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// generous is a hub that welcomes its clients with more than one may have unacknowledged.
type generous struct{ text string }

func (h *generous) OnConnected(ctx *signalr.Context) error {
	for range 3 {
		if err := ctx.Clients().Caller().Send(ctx, "Receive", h.text); err != nil {
			return err
		}
	}
	return nil
}

func (*generous) Echo(_ *signalr.Context, value string) string { return value }

func TestAnAcknowledgementTakesEffectWhileOnConnectedWaitsForIt(t *testing.T) {
	text := strings.Repeat("x", 2000)
	_, address := startHub(t, &generous{text}, signalr.HubOptions{}, signalr.EndpointOptions{
		AllowStatefulReconnects: true, StatefulReconnectBufferSize: 1000,
	})
	c := dial(t, address+"?id="+negotiate(t, address).ConnectionToken)
	c.send(`{"protocol":"json","version":2}`)
	c.expect(`{}`)
	for _, acknowledgement := range []string{`{"type":8,"sequenceId":1}`, `{"type":8,"sequenceId":2}`, `{"type":8,"sequenceId":3}`} {
		c.expect(`{"type":1,"target":"Receive","arguments":["` + text + `"]}`)
		c.send(acknowledgement)
	}
	c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["hi"]}`)
	c.expect(`{"type":3,"invocationId":"1","result":"hi"}`)
}

func TestAClientIsPingedWhileOnConnectedRuns(t *testing.T) {
	hub := &slowStart{entered: make(chan struct{}, 1), open: make(chan struct{})}
	_, address := startHub(t, hub, signalr.HubOptions{KeepAliveInterval: time.Millisecond}, signalr.EndpointOptions{})
	c := dial(t, address)
	c.send(`{"protocol":"json","version":1}`)
	c.expect(`{}`, `{"type":6}`)
	close(hub.open)
}
