package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/host"
	"github.com/chatcluster/chatcluster/server/host/metrics"
)

var update = flag.Bool("update", false, "write the tables in server/host/README.md anew")

const readmePath = "../../host/README.md"

// checkTable compares what is between two marks in the README with the table, or puts it there.
func checkTable(t *testing.T, name, table string) {
	t.Helper()
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->"
	readme, err := os.ReadFile(readmePath)
	if err != nil {
		t.Skipf("there is no README: %v", err)
	}
	before, rest, found := strings.Cut(string(readme), begin)
	old, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("server/host/README.md has no table between %q and %q", begin, end)
	}
	if *update {
		if err := os.WriteFile(readmePath, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table {
		t.Errorf("the table %q in server/host/README.md is out of date: go test ./server/cmd/hubserver -run README -update", name)
	}
}

// The table in the README is that of the program.
func TestREADMEHasTheTableOfAllKeys(t *testing.T) {
	var table bytes.Buffer
	if code := host.Main(program(), []string{"config", "--markdown"}, nil, &table, &table); code != host.ExitDone {
		t.Fatal(table.String())
	}
	checkTable(t, "configuration", table.String())
}

// The table in the README has the metrics that are served.
func TestREADMEHasTheTableOfAllMetrics(t *testing.T) {
	var table bytes.Buffer
	if err := metrics.WriteMarkdown(&table); err != nil {
		t.Fatal(err)
	}
	checkTable(t, "metrics", table.String())
}
