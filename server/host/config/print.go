package config

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// helpWidth is how long a line of help may be: terminals and logs of today show as much.
const helpWidth = 100

// placeholder stands for a value of the key in help.
func (k Key) placeholder() string {
	switch {
	case k.Value.Switch:
		return ""
	case strings.Contains(k.Value.Unit, ", "):
		return strings.ReplaceAll(k.Value.Unit, ", ", "|")
	}
	return k.Value.Unit
}

// WriteFlags prints the flags of all keys under the headings of their groups, for help.
func WriteFlags(w io.Writer, keys []Key) {
	keys = append(keys[:len(keys):len(keys)], fileKey(new(string)))
	var group string
	for _, key := range keys {
		if key.Group != group {
			group = key.Group
			write(w, "\n%s\n", group)
		}
		write(w, "  --%s\n", strings.TrimSpace(key.Flag()+" "+key.placeholder()))
		for _, line := range key.helpText() {
			write(w, "        %s\n", line)
		}
	}
}

// helpText is the description, and below it the default and the variables, if there are any.
func (k Key) helpText() []string {
	lines := wrap(k.Description, helpWidth-8)
	var more string
	if k.Default != "" && (!k.Value.Switch || k.Default == textTrue) {
		more = "Default: " + k.Default + ". "
	}
	if len(k.Variables) > 0 {
		more += "Also from " + strings.Join(k.Variables, ", ") + "."
	}
	if more != "" {
		lines = append(lines, wrap(more, helpWidth-8)...)
	}
	return lines
}

// wrap breaks text into lines at spaces.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// WriteInForce prints each key with the value in force, without secrets, and where it is from.
func (l *Loaded) WriteInForce(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	write(table, "KEY\tVALUE\tFROM\n")
	for _, entry := range l.Entries {
		write(table, "%s\t%s\t%s\n", entry.Key.Name, oneLine(cmp.Or(entry.Key.Shown(), "-")), entry.from())
	}
	return table.Flush()
}

// from names the place of the value, and those that it overrides.
func (e Entry) from() string {
	if e.Origin.Source == SourceDefault && e.Key.Default == "" {
		return "not set"
	}
	if len(e.Overridden) == 0 {
		return e.Origin.String()
	}
	overridden := make([]string, 0, len(e.Overridden))
	for _, origin := range e.Overridden {
		overridden = append(overridden, origin.String())
	}
	return e.Origin.String() + ", over " + strings.Join(overridden, ", ")
}

// WriteMarkdown prints the table of all keys for a README.
func WriteMarkdown(w io.Writer, keys []Key) {
	keys = append(keys[:len(keys):len(keys)], fileKey(new(string)))
	write(w, "| key | flag | environment | default | unit | meaning |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, key := range keys {
		standard := "-"
		if key.Default != "" {
			standard = "`" + key.Default + "`"
		}
		write(w, "| `%s` | `--%s` | `%s` | %s | %s | %s |\n", key.Name, key.Flag(),
			strings.Join(key.variables(), "`, `"), standard, key.Value.Unit, strings.ReplaceAll(key.Description, "|", `\|`))
	}
}

// write prints to a terminal or buffer, whose errors nobody could be told of.
func write(w io.Writer, format string, values ...any) { _, _ = fmt.Fprintf(w, format, values...) }
