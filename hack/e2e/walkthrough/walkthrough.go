// Package walkthrough reads what a page of documentation tells its reader to do, so that a test can do it word for word.
package walkthrough

import (
	"strings"
)

// Step is one thing that the reader does: type a command, or save a file.
type Step struct {
	// Command is what is typed, if the step is a command. A line that ends with a backslash goes on in the next one.
	Command string
	// File is the name under which Text is saved, if the step is a file: the last name in backquotes before the block.
	File, Text string
}

// Section returns the steps under a heading, such as "### On Kubernetes", until the next heading of the same rank or a
// higher one. Commands are indented by four spaces, files are fenced as yaml. It has no step if there is no such heading.
func Section(page, heading string) []Step {
	rank := strings.Count(strings.Fields(heading + " #")[0], "#")
	var steps []Step
	inside, fence, named := false, (*fenced)(nil), ""
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case fence != nil && strings.TrimSpace(line) == "```":
			if inside && fence.language == "yaml" {
				steps = append(steps, Step{File: named, Text: fence.text.String()})
			}
			fence = nil
		case fence != nil:
			fence.text.WriteString(line + "\n")
		case strings.HasPrefix(line, "```"):
			fence = &fenced{language: strings.TrimPrefix(line, "```")}
		case line == heading:
			inside = true
		case inside && isHeading(line, rank):
			return steps
		case inside && strings.HasPrefix(line, "    "):
			steps = appendLine(steps, strings.TrimPrefix(line, "    "))
		case inside:
			if name := lastQuoted(line); name != "" {
				named = name
			}
		}
	}
	return steps
}

// fenced is a block between lines of three backquotes.
type fenced struct {
	language string
	text     strings.Builder
}

// appendLine adds a command, or a line to the command before it if that goes on.
func appendLine(steps []Step, line string) []Step {
	if last := len(steps) - 1; last >= 0 && strings.HasSuffix(steps[last].Command, "\\") {
		steps[last].Command += "\n" + line
		return steps
	}
	return append(steps, Step{Command: line})
}

// isHeading tells whether a line is a heading of that rank or a higher one.
func isHeading(line string, rank int) bool {
	marks, _, found := strings.Cut(line, " ")
	return found && marks != "" && strings.Trim(marks, "#") == "" && len(marks) <= rank
}

// lastQuoted is the last word in backquotes of a line, or "".
func lastQuoted(line string) string {
	parts := strings.Split(line, "`")
	if len(parts) < 3 {
		return ""
	}
	return parts[(len(parts)-1)/2*2-1]
}
