package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestTheCommandLine(t *testing.T) {
	for _, c := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"version", []string{"--version"}, exitDone, "operator ", ""},
		{"help", []string{"--help"}, exitDone, "", "--namespaces"},
		{"an unknown flag", []string{"--metrics-bind=:1"}, exitUsage, "", "operator: unknown flag: --metrics-bind"},
		{"an argument", []string{"start"}, exitUsage, "", `operator: unknown argument "start"`},
		{"a level that is none", []string{"--log-level=loud"}, exitUsage, "", "allowed are debug, info, warn and error"},
		{"a format that is none", []string{"--log-format=xml"}, exitUsage, "", "allowed are text and json"},
		{"nobody at work", []string{"--concurrency=0"}, exitUsage, "", "it must be 1 or more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), c.args, func(string) string { return "" }, &stdout, &stderr)
			if code != c.code || !strings.Contains(stdout.String(), c.stdout) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("exit code %d, %q, %q", code, stdout.String(), stderr.String())
			}
		})
	}
}

func TestNoKubernetesClusterIsOneLine(t *testing.T) {
	t.Setenv("KUBECONFIG", "/does/not/exist")
	t.Setenv("HOME", t.TempDir())
	var stderr bytes.Buffer
	code := run(t.Context(), nil, func(string) string { return "" }, &bytes.Buffer{}, &stderr)
	if lines := strings.Count(stderr.String(), "\n"); code != exitFailed || lines != 1 || !strings.Contains(stderr.String(), "KUBECONFIG") {
		t.Errorf("exit code %d, %q", code, stderr.String())
	}
}
