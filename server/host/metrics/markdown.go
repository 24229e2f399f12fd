package metrics

import (
	"fmt"
	"io"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

// WriteMarkdown prints the table of all metrics of a server with Redis for a README; those of Go and of the process have
// their own documentation.
func WriteMarkdown(w io.Writer) error {
	m := New()
	m.Build("")
	_ = m.Peers()
	_ = m.Drain()
	m.Redis().ServersSeen([]redis.ServerInfo{{}})
	m.Limits(0)
	m.Invoked("", "", 0, false) // a metric with labels shows from its first use on
	m.Reloaded("", true)
	m.ConnectionStarted(transport.WebSockets)
	families, err := m.registry.Gather()
	if err != nil {
		return fmt.Errorf("gather the metrics: %w", err)
	}
	_, err = fmt.Fprint(w, "| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n")
	for _, family := range families {
		name := family.GetName()
		if err != nil || !strings.HasPrefix(name, "chatcluster_") && !strings.HasPrefix(name, "signalr_server_") {
			continue
		}
		_, err = fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(family.GetType().String()), labels(family), family.GetHelp())
	}
	return err
}

// labels names the labels of a family, or a dash.
func labels(family *dto.MetricFamily) string {
	pairs := family.GetMetric()[0].GetLabel()
	names := make([]string, 0, len(pairs))
	for _, pair := range pairs {
		names = append(names, "`"+pair.GetName()+"`")
	}
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}
