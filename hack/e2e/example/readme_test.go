package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/hack/e2e/walkthrough"
)

// TestTheCommandsOfTheREADMEMakeAModuleOfTheProgram types them in a folder beside a checkout. What is run only shows its
// configuration.
func TestTheCommandsOfTheREADMEMakeAModuleOfTheProgram(t *testing.T) {
	checkout, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(checkout, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	folder := filepath.Join(parent, "chat")
	if err := os.Symlink(checkout, filepath.Join(parent, "chatcluster")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "main.go"), program, 0o600); err != nil {
		t.Fatal(err)
	}
	ran := false
	for _, step := range walkthrough.Section(string(page), "## Write a hub") {
		command := step.Command
		if command == "go run ." {
			command, ran = "go run . config", true
		}
		shell := exec.CommandContext(t.Context(), "bash", "-euc", command)
		shell.Dir = folder
		shell.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		output, err := shell.CombinedOutput()
		if err != nil {
			t.Fatalf("$ %s\n%s%v", command, output, err)
		}
		if command == "go run . config" && !strings.Contains(string(output), "Urls") {
			t.Errorf("$ %s\n%s", command, output)
		}
	}
	if !ran {
		t.Error("the README does not say how to run the program")
	}
}
