package main

import (
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheEndOfTheTimeIsNoFailureOfTheTarget(t *testing.T) {
	const progress = "fuzz: elapsed: 0s, gathering baseline coverage: 3/3 completed, now fuzzing with 2 workers\n" +
		"fuzz: elapsed: 3s, execs: 135457 (0/sec), new interesting: 28 (total: 31)\n"
	const end = "FAIL\nexit status 1\nFAIL\texample.com/frame\t3.090s\n"
	for name, test := range map[string]struct {
		printed string
		want    bool
	}{
		"the time was up": {
			printed: progress + "--- FAIL: FuzzReader (3.08s)\n    context deadline exceeded\n" + end,
			want:    true,
		},
		"an input failed with these words": {
			printed: progress + "--- FAIL: FuzzReader (0.17s)\n    --- FAIL: FuzzReader (0.00s)\n" +
				"        frame_test.go:12: context deadline exceeded\n    \n" +
				"    Failing input written to testdata/fuzz/FuzzReader/771e938e4458e983\n" + end,
		},
		"an input failed when the time was up": {
			printed: progress + "--- FAIL: FuzzReader (3.08s)\n    context deadline exceeded\n" +
				"    Failing input written to testdata/fuzz/FuzzReader/771e938e4458e983\n" + end,
		},
		"a worker died": {
			printed: progress + "--- FAIL: FuzzReader (3.08s)\n    fuzzing process hung or terminated unexpectedly: exit status 2\n" + end,
		},
		"another target": {
			printed: progress + "--- FAIL: FuzzReaderToo (3.08s)\n    context deadline exceeded\n" + end,
		},
		"the package does not compile": {printed: "FAIL\texample.com/frame [build failed]\n"},
		"nothing":                      {},
	} {
		t.Run(name, func(t *testing.T) {
			if got := onlyTimeWasUp(test.printed, "FuzzReader"); got != test.want {
				t.Errorf("only the time was up: %t, want %t", got, test.want)
			}
		})
	}
}

func TestEachTargetIsFoundWithItsPackage(t *testing.T) {
	files := fstest.MapFS{
		"server/frame/frame_test.go":      {Data: []byte("package frame\n\nfunc FuzzReader(f *testing.F) {}\n\nfunc FuzzWriter(f *testing.F) {}\n")},
		"server/frame/frame.go":           {Data: []byte("package frame\n\nfunc FuzzIsNone() {}\n")},
		"server/a_test.go":                {Data: []byte("package server\n\nfunc TestA(t *testing.T) {}\n\n// func FuzzSaid(\n")},
		"api/api_test.go":                 {Data: []byte("package api\n\nfunc FuzzAPI(f *testing.F) {}\n")},
		"bin/made/x_test.go":              {Data: []byte("package made\n\nfunc FuzzMade(f *testing.F) {}\n")},
		"server/frame/testdata/y_test.go": {Data: []byte("package frame\n\nfunc FuzzData(f *testing.F) {}\n")},
	}
	got, err := findTargets(files)
	want := []target{{"./api", "FuzzAPI"}, {"./server/frame", "FuzzReader"}, {"./server/frame", "FuzzWriter"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("found %v, %v, want %v", got, err, want)
	}
}

func TestATimeThatIsNoneIsRefused(t *testing.T) {
	for _, duration := range []string{"", "5", "-1s", "0s", "long"} {
		if err := run(t.Context(), duration, io.Discard); err == nil || !strings.Contains(err.Error(), "no time such as 5s") {
			t.Errorf("run(%q) = %v", duration, err)
		}
	}
}
