package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/chatcluster/chatcluster/server/host/config"
)

// Program is a hub server with a command line.
type Program struct {
	// Name is what users type.
	Name string
	// Summary says in a sentence what the program is.
	Summary string
	// Version and Commit are what --version prints. Default: what the compiler noted in the binary.
	Version, Commit string
	// Keys are the program's own keys of the configuration, beside those of every host. Their values are set before
	// the functions below are called.
	Keys []config.Key
	// Check, if not nil, returns what config.Problem returns if keys do not fit together.
	Check func(*config.Config) error
	// Hubs makes the hubs to be served.
	Hubs func(*Settings) ([]Hub, error)
	// Handler, if not nil, makes the handler of all other paths; it may return nil.
	Handler func(*Settings) (http.Handler, error)
	// Commands are further things that the program can do.
	Commands []Command
}

// Command is something else that a program can do: its name follows the program's on the command line.
type Command struct {
	Name, Summary string
	// Run, if not nil, does it and returns; what follows has no meaning then. It gets the arguments behind the name.
	// Its error is printed as one line; one of config.Problem is a mistake of the user.
	Run func(ctx context.Context, args []string, stdout io.Writer) error
	// Arguments is how Run is called, for the help. Default: [flags].
	Arguments string
	// Defaults replaces defaults of keys.
	Defaults map[string]string
	// Hubs and Handler are those of Program; either may be nil.
	Hubs    func(*Settings) ([]Hub, error)
	Handler func(*Settings) (http.Handler, error)
}

// Settings is what a program was told.
type Settings struct {
	Config config.Config
	Logger *slog.Logger
}

// The exit codes of a program.
const (
	// ExitDone: it did what it was told and ended when it was told to.
	ExitDone = 0
	// ExitFailed: it could not go on, or not end in time.
	ExitFailed = 1
	// ExitUsage: what it was told makes no sense; one line on standard error says why.
	ExitUsage = 2
	// exitSignal plus its number is the code after a second signal.
	exitSignal = 128
)

// Main runs the program until it gets SIGINT or SIGTERM, and returns its exit code. A second signal ends the process
// at once.
func Main(program Program, args, environ []string, stdout, stderr io.Writer) int {
	run := &run{program: program, environ: environ, stdout: stdout, stderr: stderr}
	ctx, stop := UntilSignal()
	defer stop()
	return run.main(ctx, args)
}

// UntilSignal returns a context that ends with the first SIGINT or SIGTERM. The second one ends the process. Call stop
// when the program is done.
func UntilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for received := range signals {
			if ctx.Err() != nil {
				number, _ := received.(syscall.Signal)
				os.Exit(exitSignal + int(number))
			}
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-done
		cancel()
	}
}

// run is one run of a program.
type run struct {
	program        Program
	environ        []string
	stdout, stderr io.Writer
	config         config.Config
}

// configCommand and markdownFlag are known to every program.
const (
	configCommand = "config"
	markdownFlag  = "--markdown"
)

func (r *run) main(ctx context.Context, args []string) int {
	command := Command{Hubs: r.program.Hubs, Handler: r.program.Handler}
	if len(args) > 0 && args[0] == configCommand {
		return r.printConfig(args[1:])
	}
	if len(args) > 0 {
		if at := slices.IndexFunc(r.program.Commands, func(c Command) bool { return c.Name == args[0] }); at >= 0 {
			command, args = r.program.Commands[at], args[1:]
		}
	}
	if command.Run != nil {
		if err := command.Run(ctx, args, r.stdout); err != nil {
			return r.fail(err)
		}
		return ExitDone
	}
	loaded, code, ended := r.load(command, args)
	if ended {
		return code
	}
	if err := loaded.Locate(r.serve(ctx, command)); err != nil {
		return r.fail(err)
	}
	return ExitDone
}

// load reads the configuration. It has ended the run if there was a mistake, or if help or version was asked for.
func (r *run) load(command Command, args []string) (loaded *config.Loaded, code int, ended bool) {
	table := config.Table{Keys: r.keys(command), Check: r.check}
	loaded, err := config.Load(table, config.Input{Args: args, Environ: r.environ})
	switch {
	case err != nil:
		return nil, r.fail(err), true
	case loaded.Help:
		r.help(table.Keys)
	case loaded.Version:
		_, _ = fmt.Fprintln(r.stdout, r.program.Name, r.build())
	}
	return loaded, ExitDone, loaded.Help || loaded.Version
}

// keys is the table of the host's keys and the program's, with the defaults of the command.
func (r *run) keys(command Command) []config.Key {
	keys := append(r.config.Keys(), r.program.Keys...)
	for at, key := range keys {
		if standard, changed := command.Defaults[key.Name]; changed {
			keys[at].Default = standard
		}
	}
	return keys
}

func (r *run) check() error {
	if err := r.config.Check(); err != nil || r.program.Check == nil {
		return err
	}
	return r.program.Check(&r.config)
}

func (r *run) serve(ctx context.Context, command Command) error {
	settings := &Settings{Config: r.config, Logger: NewLogger(r.config, r.stderr)}
	options := Options{Config: r.config, Logger: settings.Logger, Version: r.build().String()}
	var err error
	if command.Hubs != nil {
		if options.Hubs, err = command.Hubs(settings); err != nil {
			return err
		}
	}
	if command.Handler != nil {
		if options.Handler, err = command.Handler(settings); err != nil {
			return err
		}
	}
	host, err := New(options)
	if err != nil {
		return err
	}
	return host.Run(ctx)
}

// fail prints the one line that says what is wrong.
func (r *run) fail(err error) int {
	_, _ = fmt.Fprintf(r.stderr, "%s: %s\n", r.program.Name, strings.ReplaceAll(err.Error(), "\n", "; "))
	if _, ok := errors.AsType[*config.Error](err); ok {
		return ExitUsage
	}
	return ExitFailed
}

// printConfig is the command that shows what is in force.
func (r *run) printConfig(args []string) int {
	markdown := slices.Contains(args, markdownFlag)
	args = slices.DeleteFunc(slices.Clone(args), func(arg string) bool { return arg == markdownFlag })
	if markdown {
		config.WriteMarkdown(r.stdout, r.keys(Command{}))
		return ExitDone
	}
	loaded, code, ended := r.load(Command{}, args)
	if ended {
		return code
	}
	if err := loaded.WriteInForce(r.stdout); err != nil {
		return r.fail(fmt.Errorf("print the configuration: %w", err))
	}
	return ExitDone
}

func (r *run) build() build {
	info, _ := debug.ReadBuildInfo()
	return buildOf(r.program, info)
}
