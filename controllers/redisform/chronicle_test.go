package redisform

import (
	"fmt"
	"strings"
)

// chronicle is what happens in a simulated world, a line for each thing that is done or seen anew, by its ticks.
type chronicle struct {
	ticks    int
	trace    []string
	saidLast string
}

func (c *chronicle) line(indent, format string, arguments ...any) {
	c.trace = append(c.trace, fmt.Sprintf("%4d  %s", c.ticks, indent)+fmt.Sprintf(format, arguments...))
}

// record writes how Redis is, if that is news, and what the plan wants done.
func (c *chronicle) record(said string, plan Outcome) {
	if said != c.saidLast {
		c.line("", "%s", said)
		c.saidLast = said
	}
	for _, step := range plan.Steps {
		c.line("  ", "%s", step)
	}
	for _, name := range plan.Replace {
		c.line("  ", "replace %s", name)
	}
}

// tell writes what befalls the world.
func (c *chronicle) tell(what string) { c.line("-- ", "%s", what) }

func (c *chronicle) story() string { return strings.Join(c.trace, "\n") + "\n" }
