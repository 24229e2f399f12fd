package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/chatcluster/chatcluster/hack/bench/load"
	"github.com/chatcluster/chatcluster/hack/bench/process"
	"github.com/chatcluster/chatcluster/hack/bench/trial"
)

func runIdle(ctx context.Context, arguments []string) error {
	var options load.Options
	var servers []int
	var asJSON bool
	flags := pflag.NewFlagSet("bench idle", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.StringArrayVar(&options.URLs, "url", nil, "hub to connect to, http://HOST:PORT/PATH; may be repeated")
	flags.IntVar(&options.Connections, "connections", 5000, "connections, dealt to the URLs in turn")
	flags.IntSliceVar(&servers, "pid", nil, "process id of a server on this machine; needed, may be repeated")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	if err := parse(flags, arguments); err != nil {
		return err
	}
	if len(servers) == 0 {
		return errors.New("bench idle: --pid is needed: the memory is that of the servers' processes")
	}
	if err := checkDescriptors(options.Connections); err != nil {
		return err
	}
	idle, err := trial.RunIdle(ctx, options, servers, trial.DefaultSettling())
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(os.Stdout, idle)
	}
	fmt.Printf("%.1f KiB per connection: %d MiB before, %d MiB with %d connections (opened in %.1f s), %d disconnected %s\n",
		idle.BytesPerConnection()/1024, idle.Before>>20, idle.After>>20, idle.Connections, idle.Opening.Seconds(), idle.Disconnected, idle.Reason)
	return nil
}

// checkDescriptors says before a long run what would fail in the middle of it.
func checkDescriptors(connections int) error {
	const others = 100
	if limit := process.OpenFileLimit(); connections > limit-others {
		return fmt.Errorf("%d connections need more open files than this process may have, %d: raise ulimit -n", connections, limit)
	}
	return nil
}
