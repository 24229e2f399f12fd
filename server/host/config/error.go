package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Error says in one line what is wrong with the configuration and what is allowed.
type Error struct {
	// Key is the name of the key, or empty if what was given belongs to no key.
	Key string
	// Origin is where the mistake is.
	Origin Origin
	// Reason is the rest of the sentence, or the whole of it if there is no Key.
	Reason string
	// Err is the cause, if a program may want to look at it.
	Err error
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Error implements error. The text has one line, whatever was given.
func (e *Error) Error() string {
	text := e.Reason
	switch {
	case e.Key != "" && e.Origin.Source == SourceDefault:
		text = e.Key + ": " + e.Reason
	case e.Key != "":
		text = e.Key + " (" + e.Origin.String() + "): " + e.Reason
	}
	return oneLine(text)
}

// oneLine keeps control characters out of what is printed.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// Problem returns an error about the key of that name, for a check that looks at several keys or opens what a key
// names. Loaded.Locate adds where the key's value is from. The format is that of fmt.Errorf, %w included.
func Problem(key, format string, values ...any) error {
	err := fmt.Errorf(format, values...)
	return &Error{Key: key, Reason: err.Error(), Err: errors.Unwrap(err)}
}

// describe makes a sentence of a text and of what its key's Value says about it.
func describe(key Key, text string, err error) string {
	if key.confidential() {
		return "the value (not shown) " + err.Error()
	}
	if item, ok := errors.AsType[*itemError](err); ok && item.item == text {
		err = item.err
	}
	return quote(text) + " " + err.Error()
}

// quote shows a text in one line of bounded length.
func quote(text string) string {
	const most = 100
	if len(text) > most {
		return strconv.Quote(text[:most]) + "..."
	}
	return strconv.Quote(text)
}

// suggestion returns a hint at the name that was probably meant, or at the list of all if none is close.
func suggestion(given string, names []string) string {
	given = squash(strings.TrimPrefix(given, Prefix))
	best, least := "", len(given)/4+2
	for _, name := range names {
		if distance := distance(given, squash(strings.TrimPrefix(name, Prefix))); distance < least {
			best, least = name, distance
		}
	}
	if best == "" {
		return "; --help lists all that there are"
	}
	return "; did you mean " + best + "?"
}

// distance is how far a name is from one that exists: a part of it is close, else letters changed, added and left
// out are counted (Levenshtein's distance).
func distance(given, name string) int {
	if len(given) >= 4 && strings.Contains(name, given) || len(name) >= 4 && strings.Contains(given, name) {
		return 1
	}
	row := make([]int, len(name)+1)
	for column := range row {
		row[column] = column
	}
	for i := range len(given) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(name) {
			cost := diagonal
			if given[i] != name[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(name)]
}
