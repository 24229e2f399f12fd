package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		"pages of others":      {map[string]string{"node_modules/a.md": "[c](c.md)\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			test.files["sub/b.md"] = "## Two `words`!\n"
			for file, text := range test.files {
				path := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var out, complaints bytes.Buffer
			code := run(root, &out, &complaints)
			got := strings.TrimSpace(strings.ReplaceAll(complaints.String(), root+string(filepath.Separator), ""))
			if want := strings.TrimPrefix("pages: "+test.want, "pages: "); strings.TrimPrefix(got, "pages: ") != want || (code == exitGood) != (want == "") {
				t.Errorf("got code %d and %q, want %q", code, got, test.want)
			}
		})
	}
}
