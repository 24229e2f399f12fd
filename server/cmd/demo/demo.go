package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/chatcluster/chatcluster/server/chat"
	"github.com/chatcluster/chatcluster/server/host"
	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/web"
)

// ports are where the demo is.
type ports struct{ page, first, second int }

// shutdownTimeout bounds how long Ctrl-C takes.
const shutdownTimeout = 5 * time.Second

// serve runs everything until ctx ends.
func serve(ctx context.Context, settings config.Config, ports ports, stdout io.Writer, logger *slog.Logger) error {
	redis := "yours, " + shown(settings)
	if settings.RedisConnection == "" {
		embedded, err := miniredis.Run()
		if err != nil {
			return fmt.Errorf("start the embedded Redis: %w", err)
		}
		defer embedded.Close()
		settings.RedisConnection = embedded.Addr()
		redis = "embedded; REDIS_CONNECTION names another"
	}
	hosts, err := build(settings, ports, logger)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, welcome, ports.page, ports.first, ports.second, redis)
	return runAll(ctx, hosts)
}

const welcome = `
  ChatCluster

  Page       http://localhost:%d   open it in two windows
  Server 1   http://localhost:%d
  Server 2   http://localhost:%d
  Redis      %s

  Ctrl-C ends all.

`

// shown is the user's Redis without its password.
func shown(settings config.Config) string {
	for _, key := range settings.Keys() {
		if key.Name == "RedisConnection" {
			return key.Shown()
		}
	}
	return ""
}

// build opens all addresses, or none.
func build(settings config.Config, ports ports, logger *slog.Logger) ([]*host.Host, error) {
	settings.ShutdownTimeout = shutdownTimeout
	settings.CORSOrigins = []string{address(ports.page).String()}
	page, err := web.Handler(web.Config{HubPath: chat.DefaultPath, Servers: []web.Server{
		{Name: "Server 1", URL: address(ports.first).String()}, {Name: "Server 2", URL: address(ports.second).String()},
	}})
	if err != nil {
		return nil, err
	}
	var hosts []*host.Host
	open := func(port int, handler http.Handler, hubs ...host.Hub) error {
		settings.URLs = []config.Address{address(port)}
		opened, err := host.New(host.Options{Config: settings, Handler: handler, Logger: logger}, hubs...)
		if err == nil {
			hosts = append(hosts, opened)
		}
		return err
	}
	hub := host.Hub{Name: chat.DefaultName, Path: chat.DefaultPath, Value: &chat.Hub{}}
	if err = open(ports.page, page); err == nil {
		err = open(ports.first, nil, hub)
	}
	if err == nil {
		err = open(ports.second, nil, hub)
	}
	if err != nil {
		for _, opened := range hosts {
			opened.Close()
		}
		return nil, err
	}
	return hosts, nil
}

func address(port int) config.Address { return config.Address{Host: "localhost", Port: port} }

// runAll runs hosts until ctx ends or one of them fails.
func runAll(ctx context.Context, hosts []*host.Host) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	problems := make([]error, len(hosts))
	var running sync.WaitGroup
	for at, one := range hosts {
		running.Go(func() {
			defer stop()
			problems[at] = one.Run(ctx)
		})
	}
	running.Wait()
	return errors.Join(problems...)
}
