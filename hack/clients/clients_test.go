// Package clients has the suites of other languages; this tests how they decide that one cannot run here.
package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What Maven says when it cannot go on.
const (
	mavenUnreachable = "[ERROR] Could not transfer artifact a:b:pom:1 from/to central (https://repo.maven.apache.org/maven2): Unknown host"
	mavenWithoutAll  = "[ERROR] No plugin found for prefix 'dependency' in the current project and in the plugin groups"
	mavenMissing     = "[ERROR] Could not resolve dependencies: Could not find artifact a:b:jar:1 in central (https://repo.maven.apache.org/maven2)"
	mavenKnown       = "[ERROR] a:b:jar:1 was not found in https://repo.maven.apache.org/maven2 during a previous attempt"
	mavenRefused     = "[ERROR] Could not transfer artifact a:b:pom:1 from/to central (https://m): authorization failed, status: 403 Forbidden"
)

func TestOnlyWhatThisMachineLacksIsSkipped(t *testing.T) {
	for name, test := range map[string]struct {
		suite       string
		without     string   // a program that is not there
		environment []string // how the programs behave
		want        string   // what is said
		fails       bool
	}{
		"Python":                     {suite: "python", want: "the suite runs"},
		"no Python":                  {suite: "python", without: "python3", want: "skipped: the Python clients: python3 is missing"},
		"no PyPI":                    {suite: "python", environment: []string{"PIP_INSTALL=1", "PIP_INDEX=1"}, want: "skipped: the Python clients: PyPI cannot be reached"},
		"a package that PyPI lacks":  {suite: "python", environment: []string{"PIP_INSTALL=1"}, want: "pip complains", fails: true},
		"Java":                       {suite: "java", want: "the suite runs"},
		"no JDK":                     {suite: "java", without: "javac", want: "skipped: the Java client: a JDK is missing"},
		"no Maven Central":           {suite: "java", environment: []string{"MAVEN=" + mavenUnreachable}, want: "skipped: the Java client: Maven Central cannot be reached"},
		"not even plug-ins":          {suite: "java", environment: []string{"MAVEN=" + mavenWithoutAll}, want: "skipped: the Java client: Maven Central cannot be reached"},
		"a package that Maven lacks": {suite: "java", environment: []string{"MAVEN=" + mavenMissing}, want: "Could not find artifact", fails: true},
		"one that it lacked before":  {suite: "java", environment: []string{"MAVEN=" + mavenKnown}, want: "was not found", fails: true},
		"one that it refuses":        {suite: "java", environment: []string{"MAVEN=" + mavenRefused}, want: "403", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			folder := machine(t, test.suite, test.without)
			said, err := try(t, folder, test.suite, test.environment...)
			if !strings.Contains(said, test.want) || (err != nil) != test.fails {
				t.Errorf("it says %q and ends with %v; want %q, and a failure: %v", said, err, test.want, test.fails)
			}
			said, err = try(t, folder, test.suite, append(test.environment, "CLIENTS_REQUIRED=1")...)
			if strings.Contains(said, "skipped:") != (err != nil && !test.fails) {
				t.Errorf("where all is required it says %q and ends with %v", said, err)
			}
		})
	}
}

// machine makes a folder with a suite and the only programs that it finds.
func machine(t *testing.T, suite, without string) string {
	t.Helper()
	folder := t.TempDir()
	write := func(path, text string) {
		path = filepath.Join(folder, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script, err := os.ReadFile(filepath.Join(suite, "test"))
	if err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(suite, "test"), string(script))
	write(filepath.Join(suite, "requirements.txt"), "")
	write("with-server", "#!/bin/sh\necho the suite runs\n")
	write("pip", `#!/bin/sh
case "$*" in
*install*) [ -z "$PIP_INSTALL" ] || { echo pip complains; exit 1; } ;;
*index*) exit "${PIP_INDEX:-0}" ;;
esac
`)
	write("bin/python3", `#!/bin/sh
[ "$1 $2" != "-m venv" ] || { mkdir -p .venv/bin && cp ../pip .venv/bin/; }
`)
	write("bin/mvn", "#!/bin/sh\n[ -z \"$MAVEN\" ] || { echo \"$MAVEN\"; exit 1; }\n")
	write("bin/javac", "#!/bin/sh\n")
	for _, program := range []string{"bash", "cat", "cmp", "cp", "dirname", "grep", "mkdir", "rm"} {
		path, err := exec.LookPath(program)
		if err != nil {
			t.Skipf("%s is missing", program)
		}
		if err := os.Symlink(path, filepath.Join(folder, "bin", program)); err != nil {
			t.Fatal(err)
		}
	}
	if without != "" {
		if err := os.Remove(filepath.Join(folder, "bin", without)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// try runs the suite with nothing but that environment and returns what it says.
func try(t *testing.T, folder, suite string, environment ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(folder, suite, "test"))
	command.Env = append([]string{"PATH=" + filepath.Join(folder, "bin")}, environment...)
	said, err := command.CombinedOutput()
	return string(said), err
}
