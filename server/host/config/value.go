package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Value turns the text of a key into what the program uses. The functions of this package make values for the usual
// kinds; a program may make its own.
type Value struct {
	// Unit says in help and README what is expected: "duration", "bytes", "list".
	Unit string
	// Set parses text and keeps the result. Its error continues a sentence that begins with the text, and names
	// what is allowed: `is not a duration; allowed are ...`. It never repeats the text: it may be secret.
	Set func(text string) error
	// Text returns what is kept in its usual notation, which Set accepts.
	Text func() string
	// List marks a value of several items: its flag may be repeated and a file may hold an array.
	List bool
	// Switch marks a value whose flag may stand alone for true.
	Switch bool
}

// As returns the value with another unit.
func (v Value) As(unit string) Value {
	v.Unit = unit
	return v
}

// bind is a Value that keeps what parse returns in target.
func bind[T any](target *T, unit string, parse func(string) (T, error), text func(T) string) Value {
	return Value{
		Unit: unit,
		Set: func(raw string) error {
			value, err := parse(raw)
			if err == nil {
				*target = value
			}
			return err
		},
		Text: func() string { return text(*target) },
	}
}

// Text is any text that check accepts; a nil check accepts all. The error of check reads as that of Value.Set.
func Text(target *string, check func(string) error) Value {
	parse := func(text string) (string, error) {
		if check == nil {
			return text, nil
		}
		return text, check(text)
	}
	return bind(target, "text", parse, func(text string) string { return text })
}

// File is the path of a file. It is not opened here.
func File(target *string) Value { return Text(target, nil).As("file") }

// What a switch is written as.
const (
	textTrue  = "true"
	textFalse = "false"
)

// Switch is true or false; on, off, yes, no, 1 and 0 are understood too.
func Switch(target *bool) Value {
	value := bind(target, "true or false", parseSwitch, strconv.FormatBool)
	value.Switch = true
	return value
}

func parseSwitch(text string) (bool, error) {
	switch strings.ToLower(text) {
	case textTrue, "on", "yes", "1":
		return true, nil
	case textFalse, "off", "no", "0":
		return false, nil
	}
	return false, errors.New("is neither true nor false")
}

// Count is a whole number from least to most, both allowed.
func Count(target *int, least, most int) Value {
	parse := func(text string) (int, error) {
		number, err := strconv.Atoi(text)
		if err != nil || number < least || number > most {
			return 0, fmt.Errorf("is not allowed; allowed is a whole number from %d to %d", least, most)
		}
		return number, nil
	}
	return bind(target, "number", parse, strconv.Itoa)
}

// Choice is one of names, in any case; target gets it as names has it.
func Choice(target *string, names ...string) Value {
	parse := func(text string) (string, error) { return choose(text, names) }
	return bind(target, strings.Join(names, ", "), parse, func(text string) string { return text })
}

func choose(text string, names []string) (string, error) {
	at := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, text) })
	if at < 0 {
		return "", fmt.Errorf("is unknown; allowed are %s", strings.Join(names, ", "))
	}
	return names[at], nil
}

// Choices are any of names, at least one, in the order of names.
func Choices(target *[]string, names ...string) Value {
	parse := func(items []string) ([]string, error) {
		chosen := map[string]bool{}
		for _, item := range items {
			name, err := choose(item, names)
			if err != nil {
				return nil, &itemError{item, err}
			}
			chosen[name] = true
		}
		if len(chosen) == 0 {
			return nil, fmt.Errorf("is empty; allowed are any of %s", strings.Join(names, ", "))
		}
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !chosen[name] }), nil
	}
	return list(target, parse, func(items []string) string { return strings.Join(items, ",") })
}

// List is any number of items, each of which parse accepts. The error of parse reads as that of Value.Set and is
// about one item. Items are separated by commas or semicolons; an empty text is an empty list.
func List[T any](target *[]T, parse func(item string) (T, error), text func(T) string) Value {
	parseAll := func(items []string) ([]T, error) {
		var result []T
		for _, item := range items {
			value, err := parse(item)
			if err != nil {
				return nil, &itemError{item, err}
			}
			result = append(result, value)
		}
		return result, nil
	}
	return list(target, parseAll, func(items []T) string {
		texts := make([]string, 0, len(items))
		for _, item := range items {
			texts = append(texts, text(item))
		}
		return strings.Join(texts, ",")
	})
}

// itemError is about one item of a list.
type itemError struct {
	item string
	err  error
}

func (e *itemError) Error() string { return fmt.Sprintf("has %s, which %v", quote(e.item), e.err) }

func (e *itemError) Unwrap() error { return e.err }

func list[T any](target *T, parse func([]string) (T, error), text func(T) string) Value {
	value := bind(target, "list", func(raw string) (T, error) { return parse(split(raw)) }, text)
	value.List = true
	return value
}

// split separates the items of a list and drops the empty ones, which a trailing comma leaves.
func split(text string) []string {
	items := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' })
	for at, item := range items {
		items[at] = strings.TrimSpace(item)
	}
	return slices.DeleteFunc(items, func(item string) bool { return item == "" })
}
