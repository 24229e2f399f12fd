package main

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// target is one function to fuzz.
type target struct {
	// folder is that of its package as go test takes it, with ./ before it.
	folder string
	name   string
}

var declaration = regexp.MustCompile(`(?m)^func (Fuzz\w*)\(`)

// findTargets returns all fuzz targets, by folder and file.
func findTargets(files fs.FS) ([]target, error) {
	var targets []target
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(others(), entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		source, err := fs.ReadFile(files, name)
		for _, found := range declaration.FindAllSubmatch(source, -1) {
			targets = append(targets, target{folder: "./" + path.Dir(name), name: string(found[1])})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for fuzz targets: %w", err)
	}
	return targets, nil
}

// others are folders with much in them and no package of ours.
func others() []string {
	return []string{".git", "bin", "node_modules", "testdata"}
}
