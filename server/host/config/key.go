// Package config is the configuration of a hub server: one table of keys, of which each is taken from its flag, its
// environment variables, a file or its default, in this order. Loading is a pure function of these inputs; it tells
// of each key where its value is from, and of the first mistake what is wrong, where, and what is allowed.
package config

import (
	"strings"
	"unicode"
)

// Prefix starts the environment variable that every key has. Variables with it that belong to no key are refused.
const Prefix = "CHATCLUSTER_"

// Key describes one key. The table of keys drives parsing, help, the listing of what is in force and the table in
// the README, so a key is added by adding it here and nowhere else.
type Key struct {
	// Name is the name in a file, in PascalCase with acronyms as words: flag and variable follow from it
	// (KeepAliveInterval: --keep-alive-interval, CHATCLUSTER_KEEP_ALIVE_INTERVAL).
	Name string
	// Group is the heading that help puts it under. Keys of one group stand together in the table.
	Group string
	// Description is one sentence or two for help and README.
	Description string
	// Default is the value if none is given, as a user would write it. Empty means that the key starts out unset.
	Default string
	// Variables are further environment variables, in order of precedence, after the one with the Prefix.
	Variables []string
	// Aliases are further names in a file, for instance those of ASP.NET Core; a colon separates nested objects.
	Aliases []string
	// Secret keeps the value out of listings and errors.
	Secret bool
	// Mask returns the value as listings may show it, for values of which only a part is secret. Errors show nothing.
	Mask func(text string) string
	// FileKey is the name of the key that names a file with the value; see WithFile. Empty means that there is none.
	FileKey string
	// FileOptional says that this file may be missing or empty: then the key has no value, until the file gets one.
	FileOptional bool
	// Value parses the text and keeps what it means.
	Value Value
}

// WithFile returns a key and its companion, Name + "File": the path of a file that holds the key's value in place of the
// key itself, as containers get their secrets. target gets the path, for a program that reads the file again when it
// changes; it stays empty if the key itself is given somewhere that counts more.
func WithFile(key Key, target *string) []Key {
	key.FileKey = key.Name + "File"
	file := Key{
		Name: key.FileKey, Group: key.Group, Value: File(target),
		Description: "File that holds " + key.Name + " instead. It is read again when it changes.",
	}
	for _, variable := range key.Variables {
		if variable == strings.ToUpper(variable) {
			file.Variables = append(file.Variables, variable+"_FILE")
		}
	}
	return []Key{key, file}
}

// Flag returns the name of the key's flag, without dashes.
func (k Key) Flag() string { return strings.Join(words(k.Name), "-") }

// Variable returns the environment variable that starts with Prefix.
func (k Key) Variable() string { return Prefix + strings.ToUpper(strings.Join(words(k.Name), "_")) }

// variables returns all environment variables of the key, the one that counts most first.
func (k Key) variables() []string { return append([]string{k.Variable()}, k.Variables...) }

// confidential tells whether errors must not show the value.
func (k Key) confidential() bool { return k.Secret || k.Mask != nil }

// Shown returns the value in force as a listing may show it.
func (k Key) Shown() string {
	text := k.Value.Text()
	switch {
	case text == "":
		return ""
	case k.Mask != nil:
		return k.Mask(text)
	case k.Secret:
		return masked
	}
	return text
}

// masked stands for what is secret; its length says nothing about it.
const masked = "***"

// words splits PascalCase into lower-case words.
func words(name string) []string {
	var result []string
	for _, letter := range name {
		if unicode.IsUpper(letter) || len(result) == 0 {
			result = append(result, "")
		}
		result[len(result)-1] += string(unicode.ToLower(letter))
	}
	return result
}

// squash makes all spellings of a name equal: upper and lower case, dashes, underscores, nesting.
func squash(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "", ":", "", ".", "").Replace(name))
}
