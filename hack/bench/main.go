// Command bench measures SignalR hub servers: one set of servers by their URLs, or ours side by side with others.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

const usage = `bench measures hub servers that have the chat hub's SendMessage and ReceiveMessage.

Usage:
  bench load --url http://HOST:PORT/chatHub ...   send to running servers and account for every delivery
  bench idle --url http://HOST:PORT/chatHub ...   memory per idle connection of running servers
  bench compare                                   ours and the reference side by side, all workloads
  bench soak                                      ours, while clients come and go: what do they leave behind?
  bench handover                                  ours behind HAProxy, rolled, scaled, paused and killed: what do clients notice?

bench COMMAND --help lists the flags.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case err == nil, errors.Is(err, pflag.ErrHelp):
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "bench: interrupted")
		os.Exit(130) //nolint:gocritic // stop has nothing left to do
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return errors.New("no command given")
	}
	switch command, rest := arguments[0], arguments[1:]; command {
	case "load":
		return runLoad(ctx, rest)
	case "idle":
		return runIdle(ctx, rest)
	case "compare":
		return runCompare(ctx, rest)
	case "soak":
		return runSoak(ctx, rest)
	case "handover":
		return runHandover(ctx, rest)
	case "help", "--help", "-h":
		fmt.Print(usage)
		return nil
	default:
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("unknown command %q", command)
	}
}
