package main

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestLinksThatLeadNowhereAreFound(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"a good page":          {map[string]string{"a.md": "# One\n[b](sub/b.md#two-words) [self](#one) [far](https://example.com/x#y)\n"}, ""},
		"a missing file":       {map[string]string{"a.md": "[c](c.md)\n"}, "a.md: link c.md: there is no such file"},
		"a missing heading":    {map[string]string{"a.md": "[b](sub/b.md#three)\n"}, "a.md: link sub/b.md#three: that file has no such heading"},
		"code is no link":      {map[string]string{"a.md": "`[c](c.md)`\n\n    [c](c.md)\n\n```\n[c](c.md)\n```\n"}, ""},
		"a heading twice":      {map[string]string{"a.md": "# X\n# X\n[x](#x-1)\n"}, ""},
		"a true quotation":     {map[string]string{"a.md": "<!-- from a.go -->\n```go\nvar X int\n```\n", "a.go": "package a\n\nvar X int\n"}, ""},
		"an old quotation":     {map[string]string{"a.md": "<!-- from a.go -->\n```go\nvar Y int\n```\n", "a.go": "var X int\n"}, "a.md: what it shows from a.go is not what that has"},
		"an alert with a page": {map[string]string{"a.yaml": "- alert: A\n  runbook_url: " + ours + "sub/b.md#two-words\n"}, ""},
		"an alert without one": {map[string]string{"a.yaml": "- alert: A\n"}, "a.yaml: of 1 alerts 0 have a runbook_url"},
		"an alert that errs":   {map[string]string{"a.yaml": "- alert: A\n  runbook_url: " + ours + "sub/b.md#one\n"}, "a.yaml: link sub/b.md#one: that file has no such heading"},
		"a link to outside":    {map[string]string{"a.md": "[c](../c.md)\n"}, "a.md: link ../c.md: there is no such file"},
		"pages of others":      {map[string]string{"node_modules/a.md": "[c](c.md)\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{"sub/b.md": {Data: []byte("## Two `words`!\n")}}
			for file, text := range test.files {
				files[file] = &fstest.MapFile{Data: []byte(text)}
			}
			_, problems, err := check(files)
			if got := strings.Join(problems, "\n"); err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}
