// Command fuzz runs every fuzz target of the repository for a while, after its committed corpus, and stops at the first
// that fails.
//
//	go run ./hack/fuzz [TIME]
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"time"
)

func main() {
	duration := "5s"
	if len(os.Args) > 1 {
		duration = os.Args[1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, duration, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

// run fuzzes each target below the folder it is in for so long.
func run(ctx context.Context, duration string, stdout io.Writer) error {
	if d, err := time.ParseDuration(duration); err != nil || d <= 0 {
		return fmt.Errorf("%q is no time such as 5s", duration)
	}
	targets, err := findTargets(os.DirFS("."))
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return errors.New("there is no fuzz target below this folder")
	}
	for _, target := range targets {
		if err := fuzz(ctx, target, duration, stdout); err != nil {
			return fmt.Errorf("%s of %s: %w", target.name, target.folder, err)
		}
	}
	_, _ = fmt.Fprintf(stdout, "fuzz: %d targets passed\n", len(targets))
	return nil
}

// fuzz runs one target, and tells what go test prints while it does.
func fuzz(ctx context.Context, target target, duration string, stdout io.Writer) error {
	_, _ = fmt.Fprintf(stdout, "fuzz %s %s for %s\n", target.folder, target.name, duration)
	//nolint:gosec // The names are those of our own files.
	command := exec.CommandContext(ctx, "go", "test", target.folder, "-run", "^$", "-fuzz", "^"+target.name+"$", "-fuzztime", duration, "-parallel", "2")
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	var printed bytes.Buffer
	command.Stdout = io.MultiWriter(stdout, &printed)
	command.Stderr = os.Stderr
	err := command.Run()
	if err != nil && onlyTimeWasUp(printed.String(), target.name) {
		_, _ = fmt.Fprintf(stdout, "fuzz: no input failed, the time was up: https://go.dev/issue/75804\n")
		return nil
	}
	return err
}
