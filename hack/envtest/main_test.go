package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFolderThatWasNamedIsTakenIfItHasAllCommands(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("KUBEBUILDER_ASSETS", folder)
	for _, command := range commands {
		if _, err := find(t.Context(), false); err == nil || !strings.Contains(err.Error(), "has no "+command) {
			t.Fatalf("a folder without %s gives the error %v, want one that names it", command, err)
		}
		if err := os.WriteFile(filepath.Join(folder, command), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := find(t.Context(), false); err != nil || got != folder {
		t.Errorf("find gives %q (%v), want %q", got, err, folder)
	}
}

func TestWhatWasBuiltBeforeIsFoundByItsVersion(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", os.Getenv("XDG_CACHE_HOME"))
	version, err := kubernetesVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	folder, err := cacheFolder(version)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, command := range commands {
		if err := os.WriteFile(filepath.Join(folder, command), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := find(t.Context(), false); err != nil || got != folder {
		t.Errorf("find gives %q (%v), want %q", got, err, folder)
	}
}
