package config

import "testing"

// A drain that has no room is told to everybody in one burst, or to those first whom another server would take a moment later.
func TestADrainHasToFitBesideTheEnd(t *testing.T) {
	for _, c := range []struct {
		delay, period, timeout string
		fits                   bool
	}{
		{"0s", "0s", "100ms", true},
		{"5s", "10s", "20s", true},
		{"5s", "11s", "20s", false},
		{"10s", "10s", "20s", false},
		{"10s", "28s", "40s", false},
		{"10s", "28s", "48s", true},
		{"10m", "0s", "610s", true},
		{"10m", "1s", "610s", false},
	} {
		_, _, err := load([]string{"--drain-delay=" + c.delay, "--drain-period=" + c.period, "--shutdown-timeout=" + c.timeout}, nil, "")
		if (err == nil) != c.fits {
			t.Errorf("%s and %s in %s: %v", c.delay, c.period, c.timeout, err)
		}
	}
}
