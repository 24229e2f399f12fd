// Command hubserver serves the chat hub to the clients of ASP.NET Core SignalR, alone or with others on one Redis.
// It is what package host makes of one hub: write your own in as many lines.
package main

import (
	"net/http"
	"os"

	"github.com/chatcluster/chatcluster/server/chat"
	"github.com/chatcluster/chatcluster/server/host"
)

// The build sets these with -ldflags "-X main.version=... -X main.commit=..." where the compiler cannot see them.
var (
	version string
	commit  string //nolint:gochecknoglobals // the linker can set nothing else
)

func main() {
	os.Exit(host.Main(program(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

func program() host.Program {
	var s settings
	return host.Program{
		Name:    "hubserver",
		Summary: "hubserver serves a chat hub to every SignalR client, alone or with others on one Redis.",
		Version: version,
		Commit:  commit,
		Keys:    s.keys(),
		Check:   s.check,
		Hubs: func(*host.Settings) ([]host.Hub, error) {
			return []host.Hub{{Name: s.hubName, Path: s.hubPath, Value: &chat.Hub{ServerName: s.serverName}}}, nil
		},
		Handler: func(*host.Settings) (http.Handler, error) {
			if !s.page {
				return nil, nil
			}
			return s.pageHandler()
		},
		Commands: []host.Command{{
			Name:    "page",
			Summary: "serve only the web page, by default on http://localhost:4200",
			// Where hubservers allow a page to be, and where one is that was told nothing.
			Defaults: map[string]string{"Urls": "http://localhost:4200", "PageServers": "http://localhost:5000"},
			Handler:  func(*host.Settings) (http.Handler, error) { return s.pageHandler() },
		}, {
			Name:      "check",
			Arguments: "URL",
			Summary:   "send a message through the chat hub at URL and wait until it comes back",
			Run:       check,
		}},
	}
}
