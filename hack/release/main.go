// Command release prints what CHANGELOG.md says about a version, and fails if chart, manifests and changelog of the
// checkout are not all of that version, or a page names another one or says that there is no release: a tag is released whole or not
// at all.
//
//	go run ./hack/release v1.2.3
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
)

func main() {
	root := flag.String("root", ".", "folder of the checkout")
	flag.Parse()
	notes, err := release(os.DirFS(*root), flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
	fmt.Print(notes)
}

// release returns the notes of the version that tag names, or all that speaks against releasing it.
func release(checkout fs.FS, tag string) (string, error) {
	version, err := versionOf(tag)
	if err != nil {
		return "", err
	}
	changelog, err := fs.ReadFile(checkout, "CHANGELOG.md")
	if err != nil {
		return "", fmt.Errorf("reading the changelog: %w", err)
	}
	notes, err := notesOf(string(changelog), version)
	return notes, errors.Join(err, checkChart(checkout, version), checkManifest(checkout, version), checkPages(checkout), checkNamed(checkout, version))
}
