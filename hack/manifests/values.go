package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// marker begins a comment of values.yaml that is for the table.
const marker = "# --"

// chartReadme is the chart's page: what its template says, and the table of values.
func chartReadme(root string) ([]byte, error) {
	chart := filepath.Join(root, "charts", "chatcluster")
	page, err := os.ReadFile(filepath.Join(chart, "README.md.gotmpl"))
	if err != nil {
		return nil, err
	}
	values, err := os.ReadFile(filepath.Join(chart, "values.yaml"))
	if err != nil {
		return nil, err
	}
	table, err := valuesTable(values)
	if err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(page, []byte("{{ values }}\n"), table), nil
}

// valuesTable lists each value that has a comment with the marker.
func valuesTable(text []byte) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("reading values.yaml: %w", err)
	}
	var out bytes.Buffer
	out.WriteString("| value | default | meaning |\n| --- | --- | --- |\n")
	if err := rows(&out, "", document.Content[0]); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// rows writes the rows of a mapping and of those in it that have no comment of their own.
func rows(out *bytes.Buffer, prefix string, mapping *yaml.Node) error {
	for at := 0; at < len(mapping.Content); at += 2 {
		key, value := mapping.Content[at], mapping.Content[at+1]
		name := prefix + key.Value
		meaning, documented := meaningOf(key.HeadComment)
		switch {
		case documented:
			standard, err := shown(value)
			if err != nil {
				return fmt.Errorf("default of %s: %w", name, err)
			}
			fmt.Fprintf(out, "| `%s` | `%s` | %s |\n", name, standard, meaning)
		case value.Kind == yaml.MappingNode && len(value.Content) > 0:
			if err := rows(out, name+".", value); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s has no comment that begins with %q", name, marker)
		}
	}
	return nil
}

// meaningOf returns the text of a comment from the marker on, in one line.
func meaningOf(comment string) (meaning string, documented bool) {
	_, meaning, documented = strings.Cut(comment, marker)
	lines := strings.Split(meaning, "\n")
	for at, line := range lines {
		lines[at] = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#"))
	}
	return strings.TrimSpace(strings.ReplaceAll(strings.Join(lines, " "), "|", `\|`)), documented
}

// shown is a value as JSON, which fits into a cell.
func shown(node *yaml.Node) (string, error) {
	var value any
	if err := node.Decode(&value); err != nil {
		return "", err
	}
	text, err := json.Marshal(value)
	return string(text), err
}
