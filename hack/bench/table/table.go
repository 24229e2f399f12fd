// Package table renders tables that read well in a terminal and are Markdown at the same time.
package table

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table is a header and rows of as many cells. The first column is aligned left, all others right.
type Table struct {
	Header []string
	Rows   [][]string
}

// Section adds a row that titles those after it.
func (t *Table) Section(title string) {
	row := make([]string, len(t.Header))
	row[0] = "**" + title + "**"
	t.Rows = append(t.Rows, row)
}

// Add adds a row; missing cells are empty, surplus ones are dropped.
func (t *Table) Add(cells ...string) {
	row := make([]string, len(t.Header))
	copy(row, cells)
	t.Rows = append(t.Rows, row)
}

// Render writes the table with its columns aligned.
func (t *Table) Render(out io.Writer) error {
	var text strings.Builder
	widths := t.widths()
	writeRow(&text, t.Header, widths)
	writeRule(&text, widths)
	for _, row := range t.Rows {
		writeRow(&text, row, widths)
	}
	if _, err := io.WriteString(out, text.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func (t *Table) widths() []int {
	const narrowest = 3 // Markdown wants three dashes
	widths := make([]int, len(t.Header))
	for i := range widths {
		widths[i] = max(narrowest, utf8.RuneCountInString(t.Header[i]))
		for _, row := range t.Rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	return widths
}

func writeRow(text *strings.Builder, cells []string, widths []int) {
	for i, cell := range cells {
		padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if i == 0 {
			fmt.Fprintf(text, "| %s%s |", cell, padding)
		} else {
			fmt.Fprintf(text, " %s%s |", padding, cell)
		}
	}
	text.WriteByte('\n')
}

func writeRule(text *strings.Builder, widths []int) {
	for i, width := range widths {
		if i == 0 {
			fmt.Fprintf(text, "| %s |", strings.Repeat("-", width))
		} else {
			fmt.Fprintf(text, " %s: |", strings.Repeat("-", width-1))
		}
	}
	text.WriteByte('\n')
}
