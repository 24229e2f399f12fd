//go:build race

package suite

// raceEnabled tells whether the suite runs with the race detector.
const raceEnabled = true
