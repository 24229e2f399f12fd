package host

import (
	"cmp"
	"fmt"
	"text/tabwriter"

	"github.com/chatcluster/chatcluster/server/host/config"
)

const sourcesHelp = `
Every key is taken from its flag, else from the environment, else from the file of --config, else it
has its default. In the environment --keep-alive-interval is CHATCLUSTER_KEEP_ALIVE_INTERVAL, or one
of the variables named below; in the file it is KeepAliveInterval. Durations are 15s, 1m30s, 00:00:15
or seconds; sizes are bytes, 32KiB or 1MiB. Lists are separated by commas; their flags may be repeated.
`

// help prints all that the program can be told.
func (r *run) help(keys []config.Key) {
	if r.program.Summary != "" {
		_, _ = fmt.Fprintf(r.stdout, "%s\n\n", r.program.Summary)
	}
	_, _ = fmt.Fprintln(r.stdout, "Usage")
	table := tabwriter.NewWriter(r.stdout, 0, 0, 3, ' ', 0)
	line := func(usage, meaning string) {
		_, _ = fmt.Fprintf(table, "  %s %s\t%s\n", r.program.Name, usage, meaning)
	}
	line("[flags]", "serve until told to end")
	for _, command := range r.program.Commands {
		line(command.Name+" "+cmp.Or(command.Arguments, "[flags]"), command.Summary)
	}
	line(configCommand+" [flags]", "print what is in force and where from; with "+markdownFlag+" all keys")
	line("--help, --version", "print this, or what was built")
	_ = table.Flush()
	_, _ = fmt.Fprint(r.stdout, sourcesHelp)
	config.WriteFlags(r.stdout, keys)
}
