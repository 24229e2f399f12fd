package host

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// refuse makes a host that cannot be and returns why.
func refuse(t *testing.T, change func(*config.Config), hubs ...Hub) error {
	t.Helper()
	settings := config.Default()
	settings.URLs = []config.Address{{Host: "127.0.0.1"}}
	change(&settings)
	host, err := New(Options{Config: settings, Logger: slog.New(slog.DiscardHandler)}, hubs...)
	if err == nil {
		host.Close()
		t.Fatal("accepted")
	}
	return err
}

func TestWhatCannotBeListenedOnIsSaidInOneLine(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := taken.Addr().(*net.TCPAddr).Port
	hostPort := taken.Addr().String()
	tests := []struct {
		name   string
		change func(*config.Config)
		want   string
	}{
		{
			"in use", func(c *config.Config) { c.URLs = []config.Address{{Host: "127.0.0.1", Port: port}} },
			"Urls: http://" + hostPort + " is in use by another program; end that one or choose another port",
		},
		{
			"localhost in use", func(c *config.Config) { c.URLs = []config.Address{{}, {Host: "localhost", Port: port}} },
			"Urls: http://" + strings.Replace(hostPort, "127.0.0.1", "localhost", 1) + " is in use by another program; end that one or choose another port",
		},
		{
			"metrics in use", func(c *config.Config) { c.MetricsAddress = hostPort },
			"MetricsAddress: " + hostPort + " is in use by another program; end that one or choose another port",
		},
		{
			"not of this machine", func(c *config.Config) { c.URLs = []config.Address{{Host: "192.0.2.1", Port: 5000}} },
			"Urls: http://192.0.2.1:5000 is no address of this machine; choose localhost, * for all addresses, or one that it has",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := refuse(t, test.change)
			if _, ok := errors.AsType[*config.Error](err); !ok || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestMissingCertificateIsSaidInOneLine(t *testing.T) {
	err := refuse(t, func(c *config.Config) {
		c.URLs = []config.Address{{TLS: true, Host: "127.0.0.1"}}
		c.TLSCertificateFile, c.TLSKeyFile = filepath.Join(t.TempDir(), "tls.crt"), "tls.key"
	})
	if !strings.HasPrefix(err.Error(), "TlsCertificateFile: ") || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
}

func TestHubsThatCannotBeServed(t *testing.T) {
	hub := newTestHub()
	none := func(*config.Config) {}
	if err := refuse(t, none, Hub{Name: "A", Path: "/hub", Value: hub}, Hub{Name: "B", Path: "/HUB", Value: hub}); !strings.Contains(err.Error(), "twice") {
		t.Error(err)
	}
	if err := refuse(t, none, Hub{Name: "A", Path: "/healthz", Value: hub}); !strings.Contains(err.Error(), "/healthz") {
		t.Error(err)
	}
}

func TestHostThatIsNotRunGivesItsAddressesBack(t *testing.T) {
	settings := config.Default()
	settings.URLs = []config.Address{{Host: "127.0.0.1", Port: redistest.FreePort(t)}}
	host, err := New(Options{Config: settings, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	host.Close()
	again, err := new(net.ListenConfig).Listen(t.Context(), "tcp", strings.TrimPrefix(host.Addresses()[0], "http://"))
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

func TestRunEndsWhenServingFails(t *testing.T) {
	settings := config.Default()
	settings.URLs = []config.Address{{Host: "127.0.0.1"}}
	host, err := New(Options{Config: settings, Logger: slog.New(slog.DiscardHandler), Handler: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	_ = host.listeners[0].Close()
	if err := host.Run(context.Background()); err == nil || !strings.Contains(err.Error(), host.Addresses()[0]) {
		t.Errorf("got %v", err)
	}
}
