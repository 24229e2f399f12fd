package controllers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/controllers/sampletest"
)

// TestThePageListsEveryConditionAndReason compares README.md with the constants of the API, both ways.
func TestThePageListsEveryConditionAndReason(t *testing.T) {
	content, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(content), "<!-- conditions: begin -->")
	table, _, _ = strings.Cut(table, "<!-- conditions: end -->")
	listed := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(table), "\n")[2:] {
		cells := strings.Split(line, "|")
		listed[strings.TrimSpace(cells[1])], listed[strings.TrimSpace(cells[3])] = true, true
	}
	delete(listed, "")
	delete(listed, "one of Degraded")
	file := filepath.Join(sampletest.CRDFolder(), "..", "..", "..", "api", "v1alpha1", "conditions.go")
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	ast.Inspect(parsed, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok {
			value, _ := strconv.Unquote(literal.Value)
			known[value] = true
		}
		return true
	})
	for name := range known {
		if !listed[name] {
			t.Errorf("%s is not in the table of README.md", name)
		}
	}
	for name := range listed {
		if !known[name] {
			t.Errorf("%s in README.md is no condition and no reason", name)
		}
	}
}
