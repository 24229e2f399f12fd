package main

import (
	"errors"
	"net/http"
	"strings"

	"github.com/chatcluster/chatcluster/server/chat"
	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/web"
)

// settings are what this program can be told beside what every host can.
type settings struct {
	hubName, hubPath, serverName string
	page                         bool
	pageServers                  []web.Server
}

func (s *settings) keys() []config.Key {
	const hub, page = "Chat hub", "Web page"
	return []config.Key{
		{
			Name: "HubName", Group: hub, Default: chat.DefaultName, Value: config.Text(&s.hubName, checkHubName),
			Description: "Name of the hub in Redis. ASP.NET Core servers use the full name of the hub's class.",
		},
		{
			Name: "HubPath", Group: hub, Default: chat.DefaultPath, Value: config.Path(&s.hubPath),
			Description: "Path that clients connect to.",
		},
		{
			Name: "ServerName", Group: hub, Value: config.Text(&s.serverName, nil),
			Description: "What the chat shows as the server of a message. Without it \"Server\" and the port that the client used.",
		},
		{
			Name: "Page", Group: page, Default: "false", Value: config.Switch(&s.page),
			Description: "Serve the web page too, at the root of all addresses.",
		},
		{
			Name: "PageServers", Group: page, Value: config.List(&s.pageServers, parseServer, formatServer).As("name=URL,..."),
			Description: "Servers that the page offers, as the browser reaches them. Without any it uses the one that it came from.",
		},
	}
}

// check returns what is wrong with keys that do not fit together.
func (s *settings) check(*config.Config) error {
	if s.hubPath == "" {
		return config.Problem("HubPath", "is the root of all paths, which is for the page; allowed is a path such as %s", chat.DefaultPath)
	}
	return nil
}

// checkHubName refuses what cannot be part of a channel name.
func checkHubName(name string) error {
	if name == "" || strings.ContainsAny(name, ": \t\r\n") {
		return errors.New("is no name of a hub; allowed is one without colons and spaces, such as ChatHub")
	}
	return nil
}

// parseServer reads name=URL, or a URL alone, whose host then is the name.
func parseServer(text string) (web.Server, error) {
	name, address, named := strings.Cut(text, "=")
	if !named {
		name, address = "", text
	}
	if strings.Contains(name, "://") || !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
		return web.Server{}, errors.New("is no server; allowed is a name and a URL, such as Server 1=http://localhost:5001")
	}
	if name == "" {
		_, name, _ = strings.Cut(address, "://")
		name = strings.TrimRight(name, "/")
	}
	return web.Server{Name: strings.TrimSpace(name), URL: address}, nil
}

func formatServer(server web.Server) string { return server.Name + "=" + server.URL }

// pageHandler serves the web page.
func (s *settings) pageHandler() (http.Handler, error) {
	handler, err := web.Handler(web.Config{Servers: s.pageServers, HubPath: s.hubPath})
	switch {
	case errors.Is(err, web.ErrNotBuilt):
		return nil, err
	case err != nil:
		return nil, config.Problem("PageServers", "%v", err)
	}
	return handler, nil
}
