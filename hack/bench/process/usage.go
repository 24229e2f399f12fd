package process

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrUnsupported says that this system does not tell what other processes use.
var ErrUnsupported = errors.New("reading the usage of processes needs Linux")

// Usage is what processes have used.
type Usage struct {
	// CPU is processor time in user and kernel mode since the start, in steps of 10 ms.
	CPU time.Duration
	// Resident is the memory in RAM (VmRSS), in bytes.
	Resident int64
}

// ReadAll adds up the usage of several processes.
func ReadAll(pids []int) (Usage, error) {
	var sum Usage
	for _, pid := range pids {
		one, err := Read(pid)
		if err != nil {
			return Usage{}, err
		}
		sum.CPU += one.CPU
		sum.Resident += one.Resident
	}
	return sum, nil
}

// Settling says when memory counts as settled.
type Settling struct {
	// Every is the time between two looks.
	Every time.Duration
	// Looks is how many looks in a row must agree to within one percent.
	Looks int
	// Limit bounds the wait; what is there then is taken.
	Limit time.Duration
}

// Settled waits until the memory of the processes no longer changes, or the limit, and returns it in bytes.
func Settled(ctx context.Context, pids []int, settling Settling) (int64, error) {
	ticker := time.NewTicker(settling.Every)
	defer ticker.Stop()
	deadline := time.Now().Add(settling.Limit)
	var window []int64
	for {
		usage, err := ReadAll(pids)
		if err != nil {
			return 0, err
		}
		window = append(window, usage.Resident)
		if steady(window, settling.Looks) || time.Now().After(deadline) {
			return usage.Resident, nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// steady tells whether the last looks lie within one percent of each other.
func steady(values []int64, looks int) bool {
	const onePercent = 100
	if len(values) < looks {
		return false
	}
	low, high := values[len(values)-1], values[len(values)-1]
	for _, value := range values[len(values)-looks:] {
		low, high = min(low, value), max(high, value)
	}
	return high-low <= high/onePercent
}

// ticksPerSecond is the unit of the times in /proc/PID/stat: USER_HZ, 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// parseStat reads the processor time from /proc/PID/stat (proc_pid_stat(5)). The command's name comes in
// parentheses and may hold anything, so fields are counted from the last parenthesis.
func parseStat(text string) (time.Duration, error) {
	const state, user, system = 3, 14, 15 // numbers of fields as the manual counts them
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) <= system-state {
		return 0, fmt.Errorf("process statistics have %d fields", len(fields))
	}
	var ticks int64
	for _, field := range []int{user, system} {
		value, err := strconv.ParseInt(fields[field-state], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("process statistics: %w", err)
		}
		ticks += value
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// parseMachine adds up the first line of /proc/stat (proc_stat(5)) but for the time in which processors had nothing to
// do. The times of guests are part of others.
func parseMachine(text string) time.Duration {
	const idle, waiting, guest = 4, 5, 9 // fields, the line's name being field 0
	line, _, _ := strings.Cut(text, "\n")
	var ticks int64
	for i, field := range strings.Fields(line) {
		if i == 0 || i == idle || i == waiting || i >= guest {
			continue
		}
		value, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0
		}
		ticks += value
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// parseResident reads VmRSS from /proc/PID/status, in bytes.
func parseResident(text string) (int64, error) {
	const kibibyte = 1024
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, "VmRSS:")
		if !found {
			continue
		}
		value, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("process status: %w", err)
		}
		return value * kibibyte, nil
	}
	return 0, errors.New("process status has no VmRSS: the process has ended")
}
