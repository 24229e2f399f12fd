package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/chatcluster/chatcluster/hack/bench/compare"
	"github.com/chatcluster/chatcluster/hack/bench/handover"
)

func runHandover(ctx context.Context, arguments []string) error {
	options, bounds, err := parseHandover(arguments)
	if err != nil {
		return err
	}
	if absent := firstAbsent(options.HAProxy, options.RedisServer); absent != "" {
		fmt.Printf("handover: skipped, %s is not installed\n", absent)
		return nil
	}
	if err := checkDescriptors(options.Raw); err != nil {
		return err
	}
	machine, date := compare.Here(), time.Now().Format(time.DateOnly)
	outcome, err := handover.Run(ctx, options)
	if err != nil {
		return err
	}
	if err := outcome.Print(os.Stdout); err != nil {
		return err
	}
	fmt.Printf("\n%s\n%s, %s\n", strings.Join(append([]string{"go run ./hack/bench handover"}, arguments...), " "), machine, date)
	if missed := outcome.Missed(bounds); len(missed) > 0 {
		return errors.New("goals missed:\n  " + strings.Join(missed, "\n  "))
	}
	return nil
}

// firstAbsent is the first of the programs that is not there.
func firstAbsent(programs ...string) string {
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			return program
		}
	}
	return ""
}

func parseHandover(arguments []string) (o handover.Options, bounds handover.Bounds, err error) {
	bounds = handover.DefaultBounds()
	flags := pflag.NewFlagSet("bench handover", pflag.ContinueOnError)
	flags.SortFlags = false
	short := flags.Bool("short", false, "with a tenth of the clients, and without what takes long")
	flags.StringSliceVar(&o.Phases, "phases", handover.AllPhases(), "what is tried")
	flags.IntVar(&o.Servers, "servers", 3, "hub servers on one Redis, behind HAProxy without affinity")
	flags.IntVar(&o.Raw, "raw", 500, "raw clients with stateful reconnect, half of them with MessagePack")
	flags.IntVar(&o.JavaScript, "javascript", 50, "Microsoft's JavaScript clients with stateful reconnect")
	flags.IntVar(&o.Rate, "rate", 100, "broadcasts per second, said by all clients in turn")
	flags.DurationVar(&o.Quiet, "quiet", 15*time.Second, "how long nothing happens, for comparison")
	flags.DurationVar(&o.Pause, "pause", 15*time.Second, "how long a server is stopped by SIGSTOP")
	flags.DurationVar(&bounds.Pause, "longest-pause", bounds.Pause, "how long clients may hear nothing that should notice nothing; a busy machine needs more")
	flags.DurationVar(&bounds.Return, "longest-return", bounds.Return, "how long after HAProxy noticed that a server was killed its clients may be without another")
	flags.StringVar(&o.HAProxy, "haproxy", "haproxy", "program to start as the balancer")
	flags.StringVar(&o.RedisServer, "redis-server", "redis-server", "program to start as Redis")
	flags.StringArrayVar(&o.ServerFlags, "server-flag", nil, "flag for each hub server, such as --log-level=debug; may be repeated")
	flags.StringVar(&o.LogFolder, "logs", "", "folder for the output of all programs")
	if err := parse(flags, arguments); err != nil {
		return o, bounds, err
	}
	if *short {
		shorten(flags, &o)
	}
	o.Log = os.Stderr
	if o.Root, err = repositoryRoot(); err != nil {
		return o, bounds, err
	}
	o.JavaScriptFolder = filepath.Join(o.Root, "hack", "clients", "javascript")
	if o.JavaScript > 0 && !handover.HasJavaScript(o.JavaScriptFolder) {
		fmt.Fprintln(os.Stderr, "handover: without JavaScript clients: node or its packages are missing (npm ci in hack/clients/javascript)")
		o.JavaScript = 0
	}
	return o, bounds, o.Check()
}

// shorten makes smaller what was not asked for otherwise.
func shorten(flags *pflag.FlagSet, o *handover.Options) {
	const raw, javaScript, quiet = 50, 10, 3 * time.Second
	if !flags.Changed("phases") {
		o.Phases = []string{handover.Quiet, handover.Update, handover.Kill}
	}
	if !flags.Changed("raw") {
		o.Raw = raw
	}
	if !flags.Changed("javascript") {
		o.JavaScript = javaScript
	}
	if !flags.Changed("quiet") {
		o.Quiet = quiet
	}
}
