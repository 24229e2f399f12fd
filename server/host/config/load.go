package config

import (
	"errors"
	"slices"
)

// Source is a kind of place that values are from.
type Source int

// The sources, the one that counts least first.
const (
	SourceDefault Source = iota
	SourceFile
	SourceEnvironment
	SourceFlag
	// SourceKey is the file that another key names, which is no place of its own: it counts as that key does.
	SourceKey
)

// Origin is where a value is from.
type Origin struct {
	Source Source
	// Name is the path of the file, the variable, the flag with its dashes, or the other key; empty for a default.
	Name string
}

// String returns the origin as listings and errors name it.
func (o Origin) String() string {
	switch o.Source {
	case SourceFlag:
		if o.Name == "" {
			return "command line"
		}
		return "flag " + o.Name
	case SourceEnvironment:
		return "environment " + o.Name
	case SourceFile:
		return "file " + o.Name
	case SourceKey:
		return o.Name
	default:
		return "default"
	}
}

// Input is all that a configuration is made of.
type Input struct {
	// Args are the arguments of the command line, without the program and without a command.
	Args []string
	// Environ are the environment variables as name=value.
	Environ []string
	// ReadFile returns the content of a file; nil is ReadFile of this package.
	ReadFile func(name string) ([]byte, error)
}

// Table is what a program can be told.
type Table struct {
	Keys []Key
	// Check, if not nil, is asked once all keys are set and returns what Problem returns if they don't fit together.
	Check func() error
}

// Entry is a key with what is in force for it.
type Entry struct {
	Key    Key
	Origin Origin
	// Overridden are further places that had a value for the key, the one that counts most first.
	Overridden []Origin
}

// Loaded tells what Load found.
type Loaded struct {
	// Entries has all keys in the order of the table.
	Entries []Entry
	// Help and Version are set if the command line asked for them. Then nothing else was looked at.
	Help, Version bool
}

// Load sets all keys of the table from the input. An error is an *Error about the first mistake found.
func Load(table Table, input Input) (*Loaded, error) {
	var file string
	keys := append([]Key{fileKey(&file)}, table.Keys...)
	flags, err := parseFlags(keys, input.Args)
	if err != nil || flags.help || flags.version {
		return &Loaded{Help: flags.help, Version: flags.version}, err
	}
	given, err := readEnvironment(keys, input.Environ)
	if err != nil {
		return nil, err
	}
	given = append(flags.given, given...)
	// The file comes first: the others may be in it.
	loaded := &Loaded{}
	if err := loaded.set(keys[0], given); err != nil {
		return nil, err
	}
	if file != "" {
		found, err := readFile(keys, file, input.ReadFile)
		if err != nil {
			return nil, err
		}
		given = append(given, found...)
	}
	for _, key := range keys[1:] {
		if err := loaded.set(key, given); err != nil {
			return nil, err
		}
	}
	if err := loaded.readValues(input.ReadFile); err != nil {
		return nil, err
	}
	return loaded, loaded.check(table.Check)
}

// given is one text for one key from one place.
type given struct {
	key    string
	text   string
	origin Origin
}

// set gives key the first of its texts, or its default. given is sorted, the place that counts most first.
func (l *Loaded) set(key Key, all []given) error {
	entry := Entry{Key: key}
	for _, one := range all {
		switch {
		case one.key != key.Name:
		case entry.Origin.Source != SourceDefault:
			entry.Overridden = append(entry.Overridden, one.origin)
		default:
			entry.Origin = one.origin
			if err := key.Value.Set(one.text); err != nil {
				return &Error{Key: key.Name, Origin: one.origin, Reason: describe(key, one.text, err)}
			}
		}
	}
	l.Entries = append(l.Entries, entry)
	if entry.Origin.Source != SourceDefault {
		return nil
	}
	return setDefault(key)
}

func setDefault(key Key) error {
	if key.Default == "" {
		return nil
	}
	if err := key.Value.Set(key.Default); err != nil {
		return &Error{Key: key.Name, Reason: describe(key, key.Default, err)}
	}
	return nil
}

// check adds to a problem of the whole where the key that it names is from.
func (l *Loaded) check(check func() error) error {
	if check == nil {
		return nil
	}
	return l.Locate(check())
}

// Locate adds to an error made by Problem where the value of its key is from. Other errors are returned as they are.
func (l *Loaded) Locate(err error) error {
	problem, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	at := slices.IndexFunc(l.Entries, func(entry Entry) bool { return entry.Key.Name == problem.Key })
	if at < 0 {
		return err
	}
	located := *problem
	located.Origin = l.Entries[at].Origin
	return &located
}
