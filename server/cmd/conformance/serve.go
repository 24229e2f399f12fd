package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/backplane"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
)

// shutdownTimeout is how long running calls and requests may take to end, as in ASP.NET Core.
const shutdownTimeout = 30 * time.Second

// serve opens the addresses and serves the hubs there until ctx ends.
func serve(ctx context.Context, urls string, s settings, logger *slog.Logger) (err error) {
	carrier, err := openBackplane(s, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, carrier.Close()) }()
	server, err := signalr.NewServer(signalr.ServerOptions{Backplane: carrier, Logger: logger})
	if err != nil {
		return fmt.Errorf("make the server: %w", err)
	}
	handler, err := routes(server, s)
	if err != nil {
		return err
	}
	listeners, err := listen(ctx, urls)
	if err != nil {
		return errors.Join(err, server.Shutdown(ctx))
	}
	web := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug)}
	failed := make(chan error, len(listeners))
	for _, listener := range listeners {
		go func() { failed <- web.Serve(listener) }()
	}
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	return errors.Join(err, shutDown(server, web))
}

// shutDown says goodbye to the hubs' clients first: they may still poll for it.
func shutDown(server *signalr.Server, web *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	return errors.Join(server.Shutdown(ctx), web.Shutdown(ctx))
}

// openBackplane joins the server with others by Redis if it was told to. It does not wait for Redis.
func openBackplane(s settings, logger *slog.Logger) (backplane.Backplane, error) {
	if s.redisConnection == "" {
		return &backplane.Memory{}, nil
	}
	connection, err := redis.ParseConnectionString(s.redisConnection)
	if err != nil {
		return nil, fmt.Errorf("read REDIS_CONNECTION: %w", err)
	}
	options := connection.Options()
	options.Logger = logger
	if s.channelPrefix != "" {
		options.ChannelPrefix = s.channelPrefix
	}
	return redis.New(options), nil
}

// listen opens all addresses, or none.
func listen(ctx context.Context, urls string) (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, listener := range listeners {
				_ = listener.Close()
			}
		}
	}()
	for text := range strings.SplitSeq(urls, ";") {
		address, err := config.ParseAddress(text)
		if err == nil && address.TLS {
			err = errors.New("asks for TLS, which this server does not offer")
		}
		if err != nil {
			return listeners, fmt.Errorf("the address %q in --urls %w", text, err)
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(address.Host, strconv.Itoa(address.Port)))
		if err != nil {
			return listeners, fmt.Errorf("listen on %s: %w", text, err)
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}
