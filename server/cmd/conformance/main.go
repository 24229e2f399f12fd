// Command conformance serves a hub that has one method for each behaviour of the SignalR protocol, at the paths and with
// the settings of the ASP.NET Core server that ChatCluster is compared with: clients and test suites written for one
// server run against the other. It is also the example of a hub that uses everything the library has. The suite beside it
// speaks the wire by hand and asks both servers the same questions.
//
//	conformance --urls "http://localhost:5000;http://localhost:5001"
//
// Endpoints: /chatHub, /conformance, /conformance-stateless, /conformance-longpolling, /conformance-none, /protected,
// GET /token?user=NAME[&admin=true][&seconds=N], POST /broadcast and GET /health.
//
// Environment: REDIS_CONNECTION, CHANNEL_PREFIX, CORS_ORIGINS (http://localhost:4200), DETAILED_ERRORS (false),
// HANDSHAKE_TIMEOUT (15), KEEP_ALIVE_INTERVAL (15), CLIENT_TIMEOUT_INTERVAL (30) and POLL_TIMEOUT (90) in seconds,
// MAX_MESSAGE_SIZE (32768) in bytes, PARALLEL_INVOCATIONS (1), MINIMUM_PROTOCOL_VERSION (0), STATEFUL_RECONNECT (true),
// JWT_KEY and LOG_LEVEL (Warning).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	os.Exit(code)
}

// run serves until ctx ends and returns the exit code.
func run(ctx context.Context, arguments []string, lookUp func(string) string, errors io.Writer) int {
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.SetOutput(errors)
	urls := flags.String("urls", "http://localhost:5000", "addresses to listen on, separated by semicolons")
	if err := flags.Parse(arguments); err != nil {
		return exitCode(err)
	}
	if flags.NArg() > 0 {
		_, _ = fmt.Fprintf(errors, "conformance: unexpected argument %q: the only flag is --urls\n", flags.Arg(0))
		return 2
	}
	s, err := readSettings(lookUp)
	if err != nil {
		_, _ = fmt.Fprintln(errors, "conformance:", err)
		return 2
	}
	logger := slog.New(slog.NewTextHandler(errors, &slog.HandlerOptions{Level: s.level}))
	if err := serve(ctx, *urls, s, logger); err != nil {
		_, _ = fmt.Fprintln(errors, "conformance:", err)
		return 1
	}
	return 0
}

// exitCode is that of a command line that cannot be parsed; asking for help is no mistake.
func exitCode(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	return 2
}
