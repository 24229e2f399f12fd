// Command pages checks the Markdown files of the repository: every relative link leads to a file, every anchor to a
// heading, every quotation is what the file that it names has, and every alert has a page that says what to do.
//
//	go run ./hack/pages [FOLDER]
package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	os.Exit(run(root, os.Stdout, os.Stderr))
}

// The exit codes.
const (
	exitGood   = 0
	exitBad    = 1
	exitFailed = 2
)

func run(root string, stdout, stderr io.Writer) int {
	checked, problems, err := check(os.DirFS(root))
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "pages: %v\n", err)
		return exitFailed
	}
	for _, problem := range problems {
		_, _ = fmt.Fprintf(stderr, "pages: %s\n", problem)
	}
	if len(problems) > 0 {
		return exitBad
	}
	_, _ = fmt.Fprintf(stdout, "pages: %d files are in order\n", checked)
	return exitGood
}

// others are folders whose pages are not ours, or made for tests.
func others() []string {
	return []string{".git", "node_modules", "bin", "testdata", "target", ".venv", "dist"}
}

// check returns what is wrong with all pages, each in a line.
func check(files fs.FS) (checked int, problems []string, err error) {
	err = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains(others(), entry.Name()) {
			return fs.SkipDir
		}
		var look func(files fs.FS, name, text string) []string
		switch path.Ext(name) {
		case ".md":
			look = checkPage
		case ".yaml":
			look = checkAlerts
		default:
			return nil
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		checked++
		problems = append(problems, look(files, name, string(text))...)
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("read the pages: %w", err)
	}
	return checked, problems, nil
}

func checkPage(files fs.FS, name, text string) (problems []string) {
	page := parse(text)
	for _, link := range page.links {
		if reason := follow(files, name, link); reason != "" {
			problems = append(problems, fmt.Sprintf("%s: link %s: %s", name, link, reason))
		}
	}
	for _, quotation := range page.quotations {
		source, err := fs.ReadFile(files, quotation.file)
		switch {
		case err != nil:
			problems = append(problems, fmt.Sprintf("%s: quotation: %v", name, err))
		case !strings.Contains(string(source), quotation.text):
			problems = append(problems, fmt.Sprintf("%s: what it shows from %s is not what that has", name, quotation.file))
		}
	}
	return problems
}

// ours is how the repository's pages are named where a relative link is not possible.
const ours = "https://github.com/chatcluster/chatcluster/blob/main/"

// checkAlerts wants a page for each alert.
func checkAlerts(files fs.FS, name, text string) (problems []string) {
	if alerts, pages := strings.Count(text, "- alert: "), strings.Count(text, "runbook_url: "); alerts > pages {
		problems = append(problems, fmt.Sprintf("%s: of %d alerts %d have a runbook_url", name, alerts, pages))
	}
	for _, part := range strings.Split(text, ours)[1:] {
		link, _, _ := strings.Cut(part, "\n")
		link = strings.Trim(strings.TrimSpace(link), `"'`)
		if reason := follow(files, ".", link); reason != "" {
			problems = append(problems, fmt.Sprintf("%s: link %s: %s", name, link, reason))
		}
	}
	return problems
}

// follow returns why a link of the page name leads nowhere. Links to other sites are not followed.
func follow(files fs.FS, name, link string) (reason string) {
	if rest, own := strings.CutPrefix(link, ours); own {
		name, link = ".", rest
	}
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return ""
	}
	file, anchor, anchored := strings.Cut(link, "#")
	target := name
	if file != "" {
		target = path.Join(path.Dir(name), file)
	}
	if _, err := fs.Stat(files, target); err != nil {
		return "there is no such file"
	}
	if !anchored || path.Ext(target) != ".md" {
		return ""
	}
	text, err := fs.ReadFile(files, target)
	if err != nil {
		return err.Error()
	}
	if !slices.Contains(parse(string(text)).anchors, anchor) {
		return "that file has no such heading"
	}
	return ""
}
