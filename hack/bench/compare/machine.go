package compare

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine is where a comparison ran. What the system does not tell is empty.
type Machine struct {
	// Processor is the model's name, Cores how many of them the system has.
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	// System is the kernel's name and version.
	System string `json:"system"`
	// Go is the version that built ours and the generator.
	Go string `json:"go"`
	// Load is the load average of the last minute before the start: much more than 0 makes all numbers worse.
	Load string `json:"load"`
}

// Here describes this machine.
func Here() Machine {
	return Machine{
		Processor: field(read("/proc/cpuinfo"), "model name"),
		Cores:     runtime.NumCPU(),
		System:    strings.TrimSpace(runtime.GOOS + " " + strings.TrimSpace(read("/proc/sys/kernel/osrelease"))),
		Go:        runtime.Version(),
		Load:      first(read("/proc/loadavg")),
	}
}

// String is the machine in one line.
func (m Machine) String() string {
	text := fmt.Sprintf("%d cores, %s, %s", m.Cores, m.System, m.Go)
	if m.Processor != "" {
		text = m.Processor + ", " + text
	}
	if m.Load != "" {
		text += ", load at the start " + m.Load
	}
	return text
}

// read is a file's text, empty if there is none.
func read(path string) string {
	text, err := os.ReadFile(path) // #nosec G304 -- paths of the kernel
	if err != nil {
		return ""
	}
	return string(text)
}

// field is the value of "name : value".
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func first(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}
