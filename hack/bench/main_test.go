package main

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/chatcluster/chatcluster/hack/bench/compare"
	"github.com/chatcluster/chatcluster/hack/bench/hubtest"
	"github.com/chatcluster/chatcluster/hack/bench/trial"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWrongArgumentsAreNamed(t *testing.T) {
	t.Parallel()
	for arguments, want := range map[string]string{
		"":                                       "no command given",
		"lode":                                   `unknown command "lode"`,
		"load":                                   "no hub URL given",
		"load --url http://h/x --rate 0":         "must be positive",
		"load --url http://h/x --closed-loop -1": "must be positive",
		"load --closed-loop 5 --rate 3":          "stands instead of",
		"load http://h/x":                        `unexpected argument "http://h/x"`,
		"load --url ftp://h/x":                   "scheme must be",
		"load --url http://h/x --connections 0":  "connections is 0",
		"load --url http://h --connections 9999999": "raise ulimit",
		"idle --url http://h/x":                     "--pid is needed",
		"compare --rounds 0":                        "must be at least 1",
		"compare --connections 5":                   "must be at least 20",
		"compare --size 5":                          "must be at least",
		"compare --contender /no/such/file":         "no such file",
		"handover --servers 2":                      "at least 3",
		"handover --raw 0 --javascript 0":           "must be positive",
	} {
		err := run(context.Background(), strings.Fields(arguments))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("bench %s: got %v, want %q in it", arguments, err, want)
		}
	}
}

func TestLoadReportsWhatItMeasured(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(hubtest.New(hubtest.Faults{}))
	t.Cleanup(server.Close)
	for _, mode := range []string{"--rate 100", "--closed-loop 2"} {
		arguments := "load --connections 4 --duration 100ms --warmup 20ms --url " + server.URL + " " + mode
		if err := run(t.Context(), strings.Fields(arguments)); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

func TestReportSaysWhatWentWrong(t *testing.T) {
	t.Parallel()
	options, err := parseLoad(strings.Fields("--url http://h/x --closed-loop 2 --pid 1 --redis-pid 2"))
	if err != nil {
		t.Fatal(err)
	}
	report := trial.Report{}
	report.Expected, report.Delivered, report.Duplicated, report.Strays = 100, 90, 3, 4
	report.Disconnected, report.Reason = 1, "closed by the server"
	report.Failures, report.Failure = 7, "no such method"
	var text strings.Builder
	if err := printReport(&text, options, report); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"90 of 100 expected, 10 lost, 3 duplicated, 4 stray", "1: closed by the server", "7 failed no such method", "closed loop of 2 senders", "redis", "servers", "generator"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &text)
		}
	}
}

func TestHandoverIsSkippedWithoutItsPrograms(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), strings.Fields("handover --haproxy /no/such/haproxy")); err != nil {
		t.Error(err)
	}
	o, _, err := parseHandover(strings.Fields("--short --raw 7"))
	if err != nil || o.Raw != 7 || o.JavaScript > 10 {
		t.Errorf("a short trial has %d raw and %d JavaScript clients: %v", o.Raw, o.JavaScript, err)
	}
}

func TestReferenceIsFoundByFlagVariableOrBesideTheRepository(t *testing.T) {
	root := filepath.Join("some", "where", "repository")
	t.Setenv(referenceVariable, "")
	if got, want := referencePath("", root), filepath.Join("some", "where", "shared", "reference", "aspnetcore", "run"); got != want {
		t.Errorf("beside the repository: %s, want %s", got, want)
	}
	t.Setenv(referenceVariable, "/of/variable")
	if got := referencePath("", root); got != "/of/variable" {
		t.Errorf("variable: %s", got)
	}
	if got := referencePath("/of/flag", root); got != "/of/flag" {
		t.Errorf("flag: %s", got)
	}
}

func TestSavedJSONIsComplete(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "outcome.json")
	if err := saveJSON(path, &compare.Outcome{Redis: "7.0.15"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got compare.Outcome
	if err := json.Unmarshal(text, &got); err != nil || got.Redis != "7.0.15" {
		t.Errorf("read back %+v, %v", got, err)
	}
	if err := saveJSON(filepath.Join(path, "below a file"), &got); err == nil {
		t.Error("saved below a file")
	}
}
