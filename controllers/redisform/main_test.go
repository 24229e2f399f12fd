package redisform

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

// TestMain lets properties be tried less often than usual: CI has other things to do. More: go test -rapid.checks=1000.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "30"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

var update = flag.Bool("update", false, "write the golden traces anew")

// golden compares a story with the one that was accepted before.
func golden(t *testing.T, name, story string) {
	t.Helper()
	file := filepath.Join("testdata", name+".trace")
	if *update {
		if err := os.WriteFile(file, []byte(story), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	accepted, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(accepted) != story {
		t.Errorf("the story %s is another one (go test -update accepts it):\n%s", name, story)
	}
}
