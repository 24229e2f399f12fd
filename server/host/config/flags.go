package config

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/pflag"
)

// parsedFlags is what the command line says.
type parsedFlags struct {
	given         []given
	help, version bool
}

// parseFlags reads the command line. It keeps the texts only: what they mean is decided by precedence later.
func parseFlags(keys []Key, args []string) (parsedFlags, error) {
	var result parsedFlags
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.BoolVarP(&result.help, "help", "h", false, "")
	flags.BoolVar(&result.version, "version", false, "")
	texts := map[string]*flagText{}
	for _, key := range keys {
		text := &flagText{list: key.Value.List}
		texts[key.Name] = text
		flag := flags.VarPF(text, key.Flag(), "", "")
		if key.Value.Switch {
			flag.NoOptDefVal = textTrue
		}
	}
	if err := flags.Parse(args); err != nil {
		return result, flagError(keys, err)
	}
	if flags.NArg() > 0 && !result.help && !result.version {
		return result, argumentError(keys, args, flags.Arg(0))
	}
	for _, key := range keys {
		if flags.Changed(key.Flag()) {
			origin := Origin{Source: SourceFlag, Name: "--" + key.Flag()}
			result.given = append(result.given, given{key: key.Name, text: texts[key.Name].text, origin: origin})
		}
	}
	return result, nil
}

// flagText keeps the text of a flag; the last one, or all of them for a list.
type flagText struct {
	text  string
	list  bool
	given bool
}

func (f *flagText) Set(text string) error {
	if f.list && f.given {
		text = f.text + "," + text
	}
	f.text, f.given = text, true
	return nil
}

func (f *flagText) String() string { return f.text }

func (f *flagText) Type() string { return "text" }

// flagError names the flag that the command line got wrong.
func flagError(keys []Key, err error) error {
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		at := slices.IndexFunc(keys, func(key Key) bool { return key.Flag() == missing.GetSpecifiedName() })
		if at >= 0 {
			origin := Origin{Source: SourceFlag, Name: "--" + keys[at].Flag()}
			return &Error{Key: keys[at].Name, Origin: origin, Reason: "has no value; it is followed by one: " + keys[at].Value.Unit}
		}
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := "--" + unknown.GetSpecifiedName()
		if letters := unknown.GetSpecifiedShortnames(); letters != "" {
			name = "-" + letters
		}
		return commandLineError("unknown flag " + name + suggestion(name, flagNames(keys)))
	}
	return commandLineError(err.Error() + "; --help lists all flags")
}

// commandLineError is about something in the command line that belongs to no key.
func commandLineError(reason string) error {
	return &Error{Origin: Origin{Source: SourceFlag}, Reason: reason}
}

// argumentError is about an argument that is no flag: often the value of a switch, which needs an equals sign.
func argumentError(keys []Key, args []string, argument string) error {
	reason := fmt.Sprintf("unexpected argument %s; --help lists what there is", quote(argument))
	if at := slices.Index(args, argument); at > 0 {
		for _, key := range keys {
			if key.Value.Switch && args[at-1] == "--"+key.Flag() {
				reason = fmt.Sprintf("unexpected argument %s; a switch takes its value after an equals sign: --%s=%s",
					quote(argument), key.Flag(), argument)
			}
		}
	}
	return commandLineError(reason)
}

func flagNames(keys []Key) []string {
	names := append(make([]string, 0, 2+len(keys)), "--help", "--version")
	for _, key := range keys {
		names = append(names, "--"+key.Flag())
	}
	return names
}
