package drain

import (
	"testing"
	"time"
)

func TestAPartOfTheTimeoutIsForTheEnd(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{
		0:                      0,
		100 * time.Millisecond: 75 * time.Millisecond,
		20 * time.Second:       15 * time.Second,
		40 * time.Second:       30 * time.Second,
		48 * time.Second:       38 * time.Second,
		24 * time.Hour:         24*time.Hour - 10*time.Second,
	} {
		if got := Budget(timeout); got != want {
			t.Errorf("of %s clients have %s, want %s", timeout, got, want)
		}
	}
}

func TestTheShortestTimeoutThatADrainFitsIntoIsFound(t *testing.T) {
	for _, drain := range []time.Duration{0, time.Second, 15 * time.Second, 29 * time.Second, 30 * time.Second, 38 * time.Second, time.Hour} {
		timeout := TimeoutFor(drain)
		if Budget(timeout) < drain || Budget(timeout-time.Millisecond) >= drain {
			t.Errorf("%s fit into %s, of which clients have %s", drain, timeout, Budget(timeout))
		}
	}
}
