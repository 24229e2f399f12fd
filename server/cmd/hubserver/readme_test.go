package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/host"
)

var update = flag.Bool("update", false, "write the table in the README anew")

const (
	readmePath = "../../../README.md"
	tableBegin = "<!-- configuration: begin -->\n"
	tableEnd   = "<!-- configuration: end -->"
)

// The table in the README is that of the program.
func TestREADMEHasTheTableOfAllKeys(t *testing.T) {
	readme, err := os.ReadFile(readmePath)
	if err != nil {
		t.Skipf("there is no README: %v", err)
	}
	var table bytes.Buffer
	if code := host.Main(program(), []string{"config", "--markdown"}, nil, &table, &table); code != host.ExitDone {
		t.Fatal(table.String())
	}
	before, rest, found := strings.Cut(string(readme), tableBegin)
	old, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		t.Fatalf("README.md has no table between %q and %q", tableBegin, tableEnd)
	}
	if *update {
		if err := os.WriteFile(readmePath, []byte(before+tableBegin+table.String()+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table.String() {
		t.Error("the table of keys in README.md is out of date: go test ./server/cmd/hubserver -run README -update")
	}
}
