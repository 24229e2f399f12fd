package process

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Read tells what one process has used.
func Read(pid int) (Usage, error) {
	directory := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(directory + "/stat") // #nosec G304 -- a path of the kernel
	if err != nil {
		return Usage{}, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	status, err := os.ReadFile(directory + "/status") // #nosec G304 -- a path of the kernel
	if err != nil {
		return Usage{}, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	var usage Usage
	if usage.CPU, err = parseStat(string(stat)); err != nil {
		return Usage{}, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	if usage.Resident, err = parseResident(string(status)); err != nil {
		return Usage{}, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	return usage, nil
}

// MachineCPU is the processor time that all processes of this machine, the kernel and the hypervisor's other guests
// have used since the start; 0 if it cannot be told.
func MachineCPU() time.Duration {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return parseMachine(string(stat))
}

func executable(pid int) (string, error) {
	path, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		return "", fmt.Errorf("program of process %d: %w", pid, err)
	}
	return path, nil
}

// attributes put the server in a group of its own and have the kernel end it should this process be killed.
// The kernel means the thread that started it: the runtime ends a thread only with a goroutine that is locked to it,
// and no such goroutine starts servers.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
