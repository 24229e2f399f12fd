// Command manifests makes what is derived from config/: the file that installs everything, and the chart's copies of the
// ChatCluster kind, of the operator's rights and of the alerts, and its table of values. With --verify it writes nothing
// and fails if one of them is not what it should be. Its tests render the chart and compare it with config/.
//
//	go -C hack/manifests run . [--verify]
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// derived is a file that is made of others.
type derived struct {
	path string
	make func(root string) ([]byte, error)
}

// all returns the derived files, those that others are made of first.
func all() []derived {
	return []derived{
		{"charts/chatcluster/crds/chatclusters.yaml", kindForChart},
		{"charts/chatcluster/files/rules.yaml", rulesForChart},
		{"charts/chatcluster/files/alerts.yaml", alertsForChart},
		{"charts/chatcluster/README.md", chartReadme},
		{"config/install.yaml", install},
	}
}

func main() {
	verify := flag.Bool("verify", false, "write nothing and fail if something is out of date")
	root := flag.String("root", filepath.Join("..", ".."), "folder of the checkout")
	flag.Parse()
	if err := run(*root, *verify); err != nil {
		fmt.Fprintln(os.Stderr, "manifests:", err)
		os.Exit(1)
	}
}

// run writes what has changed, or complains about it.
func run(root string, verify bool) error {
	var problems []error
	for _, file := range all() {
		want, err := file.make(root)
		if err != nil {
			return fmt.Errorf("making %s: %w", file.path, err)
		}
		path := filepath.Join(root, file.path)
		if got, err := os.ReadFile(path); err == nil && bytes.Equal(got, want) {
			continue
		}
		if verify {
			problems = append(problems, fmt.Errorf("%s is out of date: run make manifests", file.path))
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("writing %s: %w", file.path, err)
		}
		if err := os.WriteFile(path, want, 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", file.path, err)
		}
		fmt.Println("wrote", file.path)
	}
	return errors.Join(problems...)
}
