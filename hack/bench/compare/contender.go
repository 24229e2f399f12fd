// Package compare measures several kinds of hub servers with the same workloads on one Redis, turn by turn.
package compare

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Contender describes one kind of server. In Build, Version, Command and Environment these stand for values:
// {port}, the port to listen on at 127.0.0.1; {metrics}, a free HOST:PORT for the server's metrics; {redis}, the HOST:PORT
// of Redis; {work}, a folder for what is built.
type Contender struct {
	// Name is the head of its column.
	Name string `json:"name"`
	// Build is a command that makes the server, run once from the repository's root. Empty: nothing to build.
	Build []string `json:"build,omitempty"`
	// Version is a command whose first line of output says what is measured. Empty: nothing is said.
	Version []string `json:"version,omitempty"`
	// Command starts the server.
	Command []string `json:"command"`
	// Environment is added to the server's, as NAME=value.
	Environment []string `json:"environment,omitempty"`
	// Launcher says that the command is a script that becomes the server by exec; its own time is not the server's.
	Launcher bool `json:"launcher,omitempty"`
	// HealthPath answers 200 once the server is up.
	HealthPath string `json:"healthPath"`
	// ReadyPath answers 200 once clients may come. Empty: that is when HealthPath does.
	ReadyPath string `json:"readyPath,omitempty"`
	// HubPath is the chat hub: SendMessage(user, message) sends ReceiveMessage(user, message, server) to all.
	HubPath string `json:"hubPath"`
}

// Ours is this repository's hub server.
func Ours() Contender {
	const built = "{work}/hubserver"
	return Contender{
		Name:       "ours",
		Build:      []string{"go", "build", "-trimpath", "-o", built, "./server/cmd/hubserver"},
		Version:    []string{built, "--version"},
		Command:    []string{built, "--urls", "http://127.0.0.1:{port}", "--redis-connection", "{redis}"},
		HealthPath: "/healthz",
		ReadyPath:  "/readyz",
		HubPath:    "/chatHub",
	}
}

// Reference is the ASP.NET Core server that the script at path starts.
func Reference(path string) Contender {
	return Contender{
		Name:        "reference",
		Command:     []string{path, "{port}"},
		Environment: []string{"REDIS_CONNECTION={redis}"},
		Launcher:    true,
		HealthPath:  "/health",
		HubPath:     "/chatHub",
	}
}

// ReadContender reads a contender from a JSON file.
func ReadContender(path string) (Contender, error) {
	text, err := os.ReadFile(path) // #nosec G304 -- the user names it
	if err != nil {
		return Contender{}, fmt.Errorf("contender: %w", err)
	}
	var c Contender
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return Contender{}, fmt.Errorf("contender %s: %w", path, err)
	}
	if c.Name == "" || len(c.Command) == 0 || !strings.HasPrefix(c.HealthPath, "/") || !strings.HasPrefix(c.HubPath, "/") {
		return Contender{}, fmt.Errorf("contender %s: name, command, healthPath and hubPath (both from /) must be set", path)
	}
	return c, nil
}

// ErrAbsent is wrapped by errors that say why a contender cannot take part.
var ErrAbsent = errors.New("absent")

// prepare builds the contender and returns what its version command says. An error wraps ErrAbsent.
func (c Contender) prepare(ctx context.Context, root, work string) (version string, err error) {
	values := placeholders{work: work}
	if len(c.Build) > 0 {
		if output, err := c.execute(ctx, root, values.all(c.Build)); err != nil {
			return "", fmt.Errorf("%s: %w, its build failed: %w: %s", c.Name, ErrAbsent, err, firstLines(output))
		}
	}
	program := values.all(c.Command)[0]
	if _, err := exec.LookPath(program); err != nil {
		return "", fmt.Errorf("%s: %w, there is no program %s", c.Name, ErrAbsent, program)
	}
	if len(c.Version) == 0 {
		return "", nil
	}
	output, err := c.execute(ctx, root, values.all(c.Version))
	if err != nil {
		return "", fmt.Errorf("%s: %w, it does not tell its version: %w: %s", c.Name, ErrAbsent, err, firstLines(output))
	}
	first, _, _ := strings.Cut(string(output), "\n")
	return strings.TrimSpace(first), nil
}

func (c Contender) execute(ctx context.Context, root string, command []string) ([]byte, error) {
	run := exec.CommandContext(ctx, command[0], command[1:]...) // #nosec G204 -- the contender's own command
	run.Dir = root
	return run.CombinedOutput()
}

// firstLines makes one line of the beginning of an output, enough to see what is wrong.
func firstLines(output []byte) string {
	const longest = 300
	text := strings.Join(strings.Fields(string(output)), " ")
	if len(text) > longest {
		text = text[:longest] + "..."
	}
	return text
}

// placeholders are the values that stand for {port}, {metrics}, {redis} and {work}.
type placeholders struct {
	port, metrics, redis, work string
}

func (p placeholders) all(texts []string) []string {
	replacer := strings.NewReplacer("{port}", p.port, "{metrics}", p.metrics, "{redis}", p.redis, "{work}", p.work)
	replaced := make([]string, len(texts))
	for i, text := range texts {
		replaced[i] = replacer.Replace(text)
	}
	return replaced
}
