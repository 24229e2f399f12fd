package compare

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/load"
	"github.com/chatcluster/chatcluster/hack/bench/process"
)

// Options says how much is measured.
type Options struct {
	// Contenders are the columns; the first is compared with each of the others.
	Contenders []Contender
	// Root is the folder in which contenders are built: the repository's.
	Root string
	// RedisServer is the program to start.
	RedisServer string
	// Servers is how many servers of a kind share one Redis.
	Servers int
	// Rounds is how often everything is measured; the table shows medians.
	Rounds int
	// Connections, Size, Duration and Warmup are those of every workload.
	Connections int
	Size        int
	Duration    time.Duration
	Warmup      time.Duration
	// Quiet is how long nothing arrives before the missing counts as lost. 0: load.DefaultQuiet.
	Quiet time.Duration
	// IdleConnections is how many are opened for the memory of an idle connection.
	IdleConnections int
	// Settling says when the memory of servers counts as settled.
	Settling process.Settling
	// Progress gets a line per step. Nil: none.
	Progress io.Writer
}

// Check tells what cannot be measured.
func (o Options) Check() error {
	const fewest = 20 // the closed loop's senders
	switch {
	case o.Servers < 1 || o.Rounds < 1 || o.IdleConnections < 1:
		return errors.New("compare: servers, rounds and idle connections must be at least 1")
	case o.Connections < fewest:
		return fmt.Errorf("compare: connections is %d, must be at least %d", o.Connections, fewest)
	case o.Size < load.MinimumSize:
		return fmt.Errorf("compare: size is %d bytes, must be at least %d", o.Size, load.MinimumSize)
	case o.Duration <= 0 || o.Warmup < 0:
		return errors.New("compare: duration must be positive and warm-up not negative")
	}
	return nil
}

func (o Options) progress(format string, values ...any) {
	if o.Progress != nil {
		_, _ = fmt.Fprintf(o.Progress, format+"\n", values...)
	}
}
