package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/chatcluster/chatcluster/server/host"
	"github.com/chatcluster/chatcluster/server/host/config"
)

// shutdownTimeout is how long running calls and requests may take to end, as in ASP.NET Core.
const shutdownTimeout = 30 * time.Second

// serve opens the addresses and serves the hubs there until ctx ends.
func serve(ctx context.Context, urls string, s settings, logger *slog.Logger) error {
	settings, err := configure(urls, s)
	if err != nil {
		return err
	}
	site, err := newSite(s)
	if err != nil {
		return err
	}
	opened, err := host.New(host.Options{Config: settings, Handler: site.handler(), Logger: logger}, site.hubs()...)
	if err != nil {
		return err
	}
	site.ready = opened.Ready
	return opened.Run(ctx)
}

// configure makes the configuration of a host of what the environment says. What is said of hubs is theirs.
func configure(urls string, s settings) (config.Config, error) {
	c := config.Default()
	if err := config.Addresses(&c.URLs).Set(urls); err != nil {
		return c, fmt.Errorf("the value %q of --urls %w", urls, err)
	}
	if err := config.Origins(&c.CORSOrigins).Set(strings.Join(s.origins, ",")); err != nil {
		return c, fmt.Errorf("the value of CORS_ORIGINS %w", err)
	}
	c.RedisConnection, c.RedisChannelPrefix = s.redisConnection, s.channelPrefix
	c.ShutdownTimeout = shutdownTimeout
	c.RebalanceRate = 0 // a client of the rows does not come back by itself when it is sent to another server
	return c, nil
}
