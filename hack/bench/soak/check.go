package soak

import (
	"errors"
	"fmt"
)

const (
	mebibyte = 1 << 20
	// moreGoroutines is by how many the servers' goroutines may have grown: some come and go by themselves.
	moreGoroutines = 10
	// moreHeap and moreResident are by what part, and by how many bytes, memory may have grown: a heap is not the same
	// twice, and what the kernel takes back of it less so.
	moreHeap, moreHeapBytes         = 1.1, 2 * mebibyte
	moreResident, moreResidentBytes = 1.25, 16 * mebibyte
)

// Check returns an error for everything that a sound server does not do: lose a message or a client, or keep goroutines
// or memory of clients that have left.
func (r Report) Check() error {
	var problems []error
	problem := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if t := r.Total; t.Lost > 0 || t.Repeated > 0 || t.Broken > 0 {
		problem("%d deliveries were lost and %d repeated, %d connections broke", t.Lost, t.Repeated, t.Broken)
	}
	if r.Total.Delivered == 0 {
		problem("nothing was delivered")
	}
	if r.After.Goroutines > r.Before.Goroutines+moreGoroutines {
		problem("goroutines did not return: %d before, %d after", r.Before.Goroutines, r.After.Goroutines)
	}
	if grown(r.Before.Heap, r.After.Heap, moreHeap, moreHeapBytes) {
		problem("the heap did not return: %.1f MiB before, %.1f MiB after", mib(r.Before.Heap), mib(r.After.Heap))
	}
	if grown(r.Before.Resident, r.After.Resident, moreResident, moreResidentBytes) {
		problem("resident memory did not return: %.1f MiB before, %.1f MiB after", mib(r.Before.Resident), mib(r.After.Resident))
	}
	return errors.Join(problems...)
}

func grown(before, after int64, part float64, bytes int64) bool {
	return float64(after) > part*float64(before)+float64(bytes)
}

func mib(bytes int64) float64 { return float64(bytes) / mebibyte }
