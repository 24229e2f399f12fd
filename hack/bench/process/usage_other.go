//go:build !linux

package process

// Read tells what one process has used: on this system nothing.
func Read(int) (Usage, error) { return Usage{}, ErrUnsupported }

func executable(int) (string, error) { return "", ErrUnsupported }
