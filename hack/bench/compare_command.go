package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/chatcluster/chatcluster/hack/bench/compare"
	"github.com/chatcluster/chatcluster/hack/bench/trial"
)

// referenceVariable names the script that starts the reference server.
const referenceVariable = "REFERENCE"

func runCompare(ctx context.Context, arguments []string) error {
	options, jsonFile, err := parseCompare(arguments)
	if err != nil {
		return err
	}
	if err := checkDescriptors(max(options.Connections, options.IdleConnections)); err != nil {
		return err
	}
	machine, date := compare.Here(), time.Now().Format(time.DateOnly)
	outcome, err := compare.Run(ctx, options)
	if err != nil {
		return err
	}
	outcome.Machine, outcome.Date = machine, date
	outcome.Command = strings.Join(append([]string{"go run ./hack/bench compare"}, arguments...), " ")
	outcome.Finish()
	if err := outcome.Print(os.Stdout); err != nil {
		return err
	}
	if err := saveJSON(jsonFile, outcome); err != nil {
		return err
	}
	if count := len(outcome.Failures); count > 0 {
		return fmt.Errorf("%d measurements failed", count)
	}
	return nil
}

func parseCompare(arguments []string) (o compare.Options, jsonFile string, err error) {
	var reference string
	var others []string
	flags := pflag.NewFlagSet("bench compare", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.IntVar(&o.Rounds, "rounds", 3, "how often everything is measured; the table shows medians")
	flags.IntVar(&o.Servers, "servers", 2, "servers of each kind on one Redis")
	flags.IntVar(&o.Connections, "connections", 202, "connections of each workload, dealt to the servers in turn")
	flags.IntVar(&o.Size, "size", 64, "length of the message text in bytes")
	flags.DurationVar(&o.Duration, "duration", 10*time.Second, "how long each workload is measured")
	flags.DurationVar(&o.Warmup, "warmup", 5*time.Second, "how long each workload runs before that")
	flags.IntVar(&o.IdleConnections, "idle-connections", 5000, "connections that do nothing, for their memory")
	flags.StringVar(&reference, "reference", "", "script that starts the reference server (default $"+referenceVariable+", else ../shared/reference/aspnetcore/run)")
	flags.StringArrayVar(&others, "contender", nil, "JSON file that describes one more kind of server; may be repeated")
	flags.StringVar(&o.RedisServer, "redis-server", "redis-server", "program to start as Redis")
	flags.StringVar(&jsonFile, "json", "", "also write all samples to this file as JSON")
	if err := parse(flags, arguments); err != nil {
		return o, "", err
	}
	o.Progress, o.Settling = os.Stderr, trial.DefaultSettling()
	if o.Root, err = repositoryRoot(); err != nil {
		return o, "", err
	}
	o.Contenders = []compare.Contender{compare.Ours(), compare.Reference(referencePath(reference, o.Root))}
	for _, path := range others {
		contender, err := compare.ReadContender(path)
		if err != nil {
			return o, "", err
		}
		o.Contenders = append(o.Contenders, contender)
	}
	return o, jsonFile, o.Check()
}

func referencePath(flag, root string) string {
	for _, path := range []string{flag, os.Getenv(referenceVariable)} {
		if path != "" {
			return path
		}
	}
	return filepath.Join(root, "..", "shared", "reference", "aspnetcore", "run")
}

// repositoryRoot is the folder of go.mod, from here upwards: the program can be run from any folder of the repository.
func repositoryRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("find the repository: no go.mod here or above; run bench in the repository")
		}
		folder = parent
	}
}

func saveJSON(path string, outcome *compare.Outcome) error {
	if path == "" {
		return nil
	}
	file, err := os.Create(path) // #nosec G304 G703 -- the user names it
	if err != nil {
		return fmt.Errorf("save JSON: %w", err)
	}
	if err := errors.Join(writeJSON(file, outcome), file.Close()); err != nil {
		return fmt.Errorf("save JSON: %w", err)
	}
	return nil
}
