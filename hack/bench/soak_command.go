package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/chatcluster/chatcluster/hack/bench/compare"
	"github.com/chatcluster/chatcluster/hack/bench/soak"
)

// samplesOfASoak is how many samples a soak takes unless it lasts longer than that many minutes.
const samplesOfASoak = 10

// restOfServers is longer than a hub server waits for the last words of a client, by default.
const restOfServers = 8 * time.Second

func runSoak(ctx context.Context, arguments []string) error {
	var o soak.Options
	var clients, servers int
	var redisServer string
	flags := pflag.NewFlagSet("bench soak", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.DurationVar(&o.Duration, "duration", 30*time.Minute, "how long clients come and go between the two looks at the servers")
	flags.DurationVar(&o.Warmup, "warmup", time.Minute, "how long they do so before the first look")
	flags.IntVar(&clients, "clients", 1000, "clients at any time, in cohorts that come and go as one")
	flags.IntVar(&o.Cohorts, "cohorts", 20, "how many cohorts")
	flags.DurationVar(&o.Stay, "stay", 10*time.Second, "how long a cohort stays on average; every other one leaves without a goodbye")
	flags.Float64Var(&o.Rate, "rate", 0.5, "messages per second of each cohort; all clients get each")
	flags.IntVar(&servers, "servers", 2, "hub servers on one Redis")
	flags.StringVar(&redisServer, "redis-server", "redis-server", "program to start as Redis")
	if err := parse(flags, arguments); err != nil {
		return err
	}
	if servers < 1 || o.Cohorts < 1 {
		return errors.New("bench soak: --servers and --cohorts must be 1 or more")
	}
	if err := checkDescriptors(clients); err != nil {
		return err
	}
	root, err := repositoryRoot()
	if err != nil {
		return err
	}
	machine, date := compare.Here(), time.Now().Format(time.DateOnly)
	contender := compare.Ours()
	contender.Command = append(contender.Command, "--metrics-address", "{metrics}")
	running, err := compare.Launch(ctx, contender, servers, redisServer, root)
	if err != nil {
		return err
	}
	defer running.Stop()
	o.Hubs, o.PIDs, o.CohortSize = running.Hubs, running.PIDs, clients/o.Cohorts
	for _, address := range running.Metrics {
		o.Metrics = append(o.Metrics, "http://"+address+"/metrics")
	}
	o.Every, o.Rest = min(time.Minute, o.Duration/samplesOfASoak), restOfServers
	o.Each = func(sample soak.Sample) { fmt.Fprintln(os.Stderr, sample) }
	report, err := soak.Run(ctx, o)
	if err != nil {
		return errors.Join(err, running.Failure())
	}
	if err := report.Print(os.Stdout); err != nil {
		return err
	}
	fmt.Printf("%s\n%s, %s\n", strings.Join(append([]string{"go run ./hack/bench soak"}, arguments...), " "), machine, date)
	return report.Check()
}
