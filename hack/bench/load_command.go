package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"time"

	"github.com/spf13/pflag"

	"github.com/chatcluster/chatcluster/hack/bench/load"
	"github.com/chatcluster/chatcluster/hack/bench/trial"
)

type loadOptions struct {
	connect    load.Options
	workload   load.Workload
	closedLoop int
	warmup     time.Duration
	watched    trial.Watched
	json       bool
	profile    string
}

func runLoad(ctx context.Context, arguments []string) error {
	options, err := parseLoad(arguments)
	if err != nil {
		return err
	}
	if err := checkDescriptors(options.connect.Connections); err != nil {
		return err
	}
	swarm, err := load.Connect(ctx, options.connect)
	if err != nil {
		return err
	}
	defer swarm.Close()
	stop, err := startProfile(options.profile)
	if err != nil {
		return err
	}
	defer stop()
	report, err := trial.Run(ctx, swarm, options.workload, options.warmup, options.watched)
	if err != nil {
		return err
	}
	if options.json {
		return writeJSON(os.Stdout, report)
	}
	return printReport(os.Stdout, options, report)
}

func parseLoad(arguments []string) (loadOptions, error) {
	var o loadOptions
	flags := pflag.NewFlagSet("bench load", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.StringArrayVar(&o.connect.URLs, "url", nil, "hub to connect to, http://HOST:PORT/PATH; may be repeated")
	flags.IntVar(&o.connect.Connections, "connections", 202, "connections, dealt to the URLs in turn")
	flags.IntVar(&o.workload.Senders, "senders", 2, "how many of the connections send")
	flags.Float64Var(&o.workload.Rate, "rate", 300, "broadcasts per second over all senders")
	flags.IntVar(&o.closedLoop, "closed-loop", 0, "instead of --senders and --rate: so many senders, each sending when its last call completed")
	flags.IntVar(&o.workload.Size, "size", 64, "length of the message text in bytes")
	flags.DurationVar(&o.workload.Duration, "duration", 10*time.Second, "how long is measured")
	flags.DurationVar(&o.warmup, "warmup", 3*time.Second, "how long the same is done before, unmeasured")
	flags.DurationVar(&o.workload.Drain, "drain", load.DefaultDrain, "longest wait for what has not arrived")
	flags.IntSliceVar(&o.watched.Servers, "pid", nil, "process id of a server on this machine, for its CPU and memory; may be repeated")
	flags.IntSliceVar(&o.watched.Redis, "redis-pid", nil, "process id of Redis on this machine")
	flags.BoolVar(&o.connect.Portable, "portable", false, "one goroutine per connection instead of epoll (dearer)")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the generator to this file")
	if err := parse(flags, arguments); err != nil {
		return o, err
	}
	if o.closedLoop > 0 {
		if flags.Changed("rate") || flags.Changed("senders") {
			return o, errors.New("--closed-loop stands instead of --senders and --rate")
		}
		o.workload.Senders, o.workload.Rate = o.closedLoop, 0
	} else if o.workload.Rate <= 0 || o.closedLoop < 0 {
		return o, errors.New("--rate and --closed-loop must be positive")
	}
	return o, nil
}

func parse(flags *pflag.FlagSet, arguments []string) error {
	if err := flags.Parse(arguments); err != nil {
		return fmt.Errorf("%s: %w", flags.Name(), err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s: unexpected argument %q", flags.Name(), flags.Arg(0))
	}
	return nil
}

func startProfile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	file, err := os.Create(path) // #nosec G304 -- the user names it
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close()
	}, nil
}

func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
