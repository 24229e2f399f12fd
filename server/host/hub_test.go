package host

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

func TestConfigurationReachesHubsAndTheirOwnersMayChangeIt(t *testing.T) {
	settings := config.Default()
	settings.URLs = []config.Address{{Host: "127.0.0.1"}}
	settings.Transports = []string{config.WebSockets, config.LongPolling}
	settings.EnableDetailedErrors = true
	settings.MaximumReceiveMessageSize = 512
	var got signalr.HubOptions
	var registered *signalr.Hub
	host, err := New(Options{Config: settings, Logger: slog.New(slog.DiscardHandler)}, Hub{
		Name: "ChatHub", Path: "/chatHub", Value: newTestHub(),
		Configure: func(hub *signalr.HubOptions, endpoint *signalr.EndpointOptions) {
			got = *hub
			if endpoint.Transports != transport.WebSockets|transport.LongPolling || !endpoint.AllowStatefulReconnects {
				t.Errorf("endpoint: %+v", endpoint)
			}
			endpoint.Transports = transport.LongPolling
		},
		Registered: func(hub *signalr.Hub) { registered = hub },
	})
	if err != nil {
		t.Fatal(err)
	}
	if !got.EnableDetailedErrors || got.MaximumReceiveMessageSize != 512 {
		t.Errorf("hub: %+v", got)
	}
	if registered == nil || registered.Name() != "ChatHub" {
		t.Error("the hub was not handed over")
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- host.Run(ctx) }()
	_, body := fetch(t, http.MethodPost, host.Addresses()[0]+"/chatHub/negotiate", nil)
	if strings.Contains(body, "WebSockets") || !strings.Contains(body, "LongPolling") {
		t.Errorf("negotiate: %s", body)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLogIsWrittenAsConfigured(t *testing.T) {
	settings := config.Default()
	var text strings.Builder
	NewLogger(settings, &text).Info("hello")
	NewLogger(settings, &text).Debug("not this")
	if got := text.String(); !strings.Contains(got, "level=INFO msg=hello") || strings.Contains(got, "not this") {
		t.Error(got)
	}
	text.Reset()
	settings.LogFormat, settings.LogLevel = "json", slog.LevelDebug
	NewLogger(settings, &text).Debug("this")
	if got := text.String(); !strings.Contains(got, `"level":"DEBUG","msg":"this"`) {
		t.Error(got)
	}
}

func TestFailedTLSHandshakesAreNoNews(t *testing.T) {
	var text strings.Builder
	log := httpErrors(slog.New(slog.NewTextHandler(&text, nil)))
	_, _ = io.WriteString(log.Writer(), "http: TLS handshake error from 192.0.2.1:5: EOF\n")
	if text.Len() != 0 {
		t.Error(text.String())
	}
	_, _ = io.WriteString(log.Writer(), "http: Accept error: too many open files; retrying in 5ms\n")
	if got := text.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, "too many open files") {
		t.Error(got)
	}
}

func TestAClientMayWriteTheAddressOfANegotiationAsItWorkedWithASPNETCore(t *testing.T) {
	r := start(t, nil)
	for _, path := range []string{"/chatHub/negotiate", "/chathub/NEGOTIATE", "/chatHub/Negotiate/"} {
		if status, body := r.do(http.MethodPost, path+"?negotiateVersion=1", nil); status != http.StatusOK || !strings.Contains(body, `"connectionToken"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
