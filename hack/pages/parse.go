package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// page is what matters of a Markdown file.
type page struct {
	links, anchors []string
	quotations     []quotation
}

// quotation is a block of code that must be part of a file.
type quotation struct{ file, text string }

const fence = "```"

// What is looked for in a line.
var (
	linkPattern  = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)`)
	codePattern  = regexp.MustCompile("`[^`]*`")
	quotePattern = regexp.MustCompile(`^<!-- from (\S+) -->$`)
)

// parse reads as much of Markdown as our pages use: headings with #, inline links, fenced and indented code.
func parse(text string) (p page) {
	seen := map[string]int{}
	from, inFence := "", false
	var quoted strings.Builder
	for line := range strings.Lines(text) {
		bare := strings.TrimSpace(line)
		switch {
		case inFence && bare == fence:
			inFence = false
			if from != "" {
				p.quotations = append(p.quotations, quotation{from, quoted.String()})
			}
			from = ""
		case inFence:
			quoted.WriteString(line)
		case strings.HasPrefix(bare, fence):
			inFence = true
			quoted.Reset()
		case quotePattern.MatchString(bare):
			from = quotePattern.FindStringSubmatch(bare)[1]
		case strings.HasPrefix(line, "#"):
			p.anchors = append(p.anchors, unique(seen, slug(bare)))
			p.findLinks(line)
		case !strings.HasPrefix(line, "    "):
			p.findLinks(line)
		}
	}
	return p
}

func (p *page) findLinks(line string) {
	for _, found := range linkPattern.FindAllStringSubmatch(codePattern.ReplaceAllString(line, "code"), -1) {
		p.links = append(p.links, found[1])
	}
}

// slug is the anchor that GitHub gives a heading.
func slug(heading string) string {
	heading = strings.TrimSpace(strings.TrimLeft(heading, "#"))
	var anchor strings.Builder
	for _, letter := range strings.ToLower(heading) {
		switch {
		case letter == ' ':
			anchor.WriteByte('-')
		case letter == '-', letter == '_', unicode.IsLetter(letter), unicode.IsDigit(letter):
			anchor.WriteRune(letter)
		}
	}
	return anchor.String()
}

// unique numbers headings of the same text.
func unique(seen map[string]int, anchor string) string {
	count := seen[anchor]
	seen[anchor]++
	if count == 0 {
		return anchor
	}
	return fmt.Sprintf("%s-%d", anchor, count)
}
