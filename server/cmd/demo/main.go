// Command demo shows what ChatCluster does in one process: a Redis, two hub servers, and a page whose windows chat with
// each other whichever server they are connected to.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"github.com/chatcluster/chatcluster/server/host"
	"github.com/chatcluster/chatcluster/server/host/config"
)

func main() {
	ctx, stop := host.UntilSignal()
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program; it ends with ctx.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	settings := config.Default()
	loaded, err := config.Load(config.Table{Keys: keys(&settings)}, config.Input{Args: args, Environ: environ})
	if err == nil && (loaded.Help || loaded.Version) {
		help(stdout, keys(&settings))
		return host.ExitDone
	}
	if err == nil {
		err = loaded.Locate(serve(ctx, settings, ports{page: 4200, first: 5001, second: 5002}, stdout, host.NewLogger(settings, stderr)))
	}
	if err != nil {
		return fail(stderr, err)
	}
	return host.ExitDone
}

// keys are those that make sense here: the addresses are what the demo shows.
func keys(c *config.Config) []config.Key {
	names := []string{"RedisConnection", "RedisChannelPrefix", "RedisDefaultDatabase", "EnableDetailedErrors", "LogLevel", "LogFormat"}
	keys := slices.DeleteFunc(c.Keys(), func(key config.Key) bool { return !slices.Contains(names, key.Name) })
	for at := range keys {
		if keys[at].Name == "LogLevel" {
			keys[at].Default = "warn"
		}
	}
	return keys
}

func help(w io.Writer, keys []config.Key) {
	_, _ = fmt.Fprintln(w, "demo runs two hub servers, a page and, unless it is given one, a Redis. Ctrl-C ends all.")
	config.WriteFlags(w, keys)
}

// fail prints the one line that says what is wrong.
func fail(w io.Writer, err error) int {
	if taken, ok := errors.AsType[*host.AddressError](err); ok && errors.Is(taken, syscall.EADDRINUSE) {
		_, _ = fmt.Fprintf(w, "demo: %s is in use by another program; end that one and start the demo again\n", taken.Address)
		return host.ExitFailed
	}
	_, _ = fmt.Fprintf(w, "demo: %v\n", err)
	if _, ok := errors.AsType[*config.Error](err); ok {
		return host.ExitUsage
	}
	return host.ExitFailed
}
