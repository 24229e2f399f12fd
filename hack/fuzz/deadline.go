package main

import (
	"regexp"
	"strings"
)

// onlyTimeWasUp reports whether the only thing that a failed go test has to say of the target is that its -fuzztime was over.
//
// Go before 1.27 does so now and then: what drives the workers may learn that the time is over a moment before what they
// wait for is cancelled, and takes that for an error (https://go.dev/issue/75804). An input that fails, a worker that
// hangs or dies, and a seed that fails are each told in other words.
func onlyTimeWasUp(printed, target string) bool {
	failures := regexp.MustCompile(`(?m)^ *--- FAIL: .*\n(.*\n)?`).FindAllString(printed, -1)
	if len(failures) != 1 || !strings.HasPrefix(failures[0], "--- FAIL: "+target+" (") {
		return false
	}
	_, rest, _ := strings.Cut(printed, failures[0])
	_, said, _ := strings.Cut(failures[0], "\n")
	return said == "    context deadline exceeded\n" && strings.HasPrefix(rest, "FAIL\n")
}
