package soak

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/table"
)

// Print writes the report as a table: the servers before, every so often during, and after the soak.
func (r Report) Print(out io.Writer) error {
	t := table.Table{Header: []string{"", "connections", "goroutines", "heap MiB", "RSS MiB", "opened so far", "delivered", "lost"}}
	t.Add(row("before", r.Before, Tally{})...)
	for _, sample := range thinned(r.Samples) {
		t.Add(row(clock(sample.Elapsed), sample.State, sample.Tally)...)
	}
	t.Add(row("after", r.After, r.Total)...)
	if err := t.Render(out); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s connections opened, %s messages sent, %s delivered, %d lost, %d repeated, %d connections broken\n",
		table.Number(float64(r.Total.Opened), 0), table.Number(float64(r.Total.Sent), 0), table.Number(float64(r.Total.Delivered), 0),
		r.Total.Lost, r.Total.Repeated, r.Total.Broken)
	return err
}

// String is the sample in one line, for those who wait.
func (s Sample) String() string {
	return fmt.Sprintf("%s: %d connections, %d goroutines, heap %.1f MiB, RSS %.1f MiB, %d opened, %d delivered, %d lost",
		clock(s.Elapsed), s.Connections, s.Goroutines, mib(s.Heap), mib(s.Resident), s.Opened, s.Delivered, s.Lost)
}

func row(name string, s State, t Tally) []string {
	return []string{
		name, strconv.FormatInt(s.Connections, 10), strconv.FormatInt(s.Goroutines, 10),
		table.Number(mib(s.Heap), 1), table.Number(mib(s.Resident), 1),
		table.Number(float64(t.Opened), 0), table.Number(float64(t.Delivered), 0), table.Number(float64(t.Lost), 0),
	}
}

// clock writes 1m30s as 1:30.
func clock(elapsed time.Duration) string {
	seconds := int(elapsed.Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}

// mostRows is how many samples the table shows.
const mostRows = 10

// thinned leaves out samples evenly, never the last.
func thinned(samples []Sample) (kept []Sample) {
	step := (len(samples) + mostRows - 1) / mostRows
	for i, sample := range samples {
		if (len(samples)-1-i)%max(step, 1) == 0 {
			kept = append(kept, sample)
		}
	}
	return kept
}
