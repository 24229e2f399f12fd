package handover

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/handover/haproxy"
	"github.com/chatcluster/chatcluster/hack/bench/stamp"
)

const (
	// longestLine bounds what a client may say in one event: what it heard, and reasons with stack traces.
	longestLine = 1 << 20
	// exitTimeout is how long the process may take to end when it has closed its output.
	exitTimeout = 5 * time.Second
)

// javaScriptPrefix begins the names of the clients in hack/clients/javascript/crowd.js; a number follows.
const javaScriptPrefix = "js-"

// HasJavaScript tells whether there is what JavaScript clients need: node, and hack/clients/javascript with its packages.
func HasJavaScript(folder string) bool {
	_, noNode := exec.LookPath("node")
	_, noPackages := os.Stat(filepath.Join(folder, "node_modules", "ws"))
	return noNode == nil && noPackages == nil
}

// javaScript is the process in which all JavaScript clients are.
type javaScript struct {
	crowd *crowd
	first int        // index of the first of its clients
	mu    sync.Mutex // guards writes to input
	input io.Writer
}

// javaScriptClient is one of them.
type javaScriptClient struct {
	process *javaScript
	name    string
}

// Say implements speaker.
func (j *javaScriptClient) Say(_ int64, text string) error {
	line, err := json.Marshal(map[string]string{"client": j.name, "say": text})
	if err != nil {
		return fmt.Errorf("tell %s: %w", j.name, err)
	}
	j.process.mu.Lock()
	defer j.process.mu.Unlock()
	if _, err := j.process.input.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("tell %s: %w", j.name, err)
	}
	return nil
}

// startJavaScript starts the process, which ends with ctx.
func (c *crowd) startJavaScript(ctx context.Context, url string, o Options) error {
	command := exec.CommandContext(ctx, "node", "crowd.js", url, strconv.Itoa(o.JavaScript), "--stateful") // #nosec G204 -- the trial's own
	command.Dir = o.JavaScriptFolder
	complaints := &bytes.Buffer{}
	command.Stderr = complaints
	input, err := command.StdinPipe()
	if err != nil {
		return fmt.Errorf("start the JavaScript clients: %w", err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start the JavaScript clients: %w", err)
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start the JavaScript clients: %w", err)
	}
	clients := &javaScript{crowd: c, first: o.Raw, input: input}
	c.running.Go(func() {
		kill := func() { _ = command.Process.Kill() }
		broken := clients.follow(output)
		if broken != nil {
			kill() // nobody reads what it says any more
		}
		defer time.AfterFunc(exitTimeout, kill).Stop()
		if err := command.Wait(); ctx.Err() == nil {
			c.failed <- fmt.Errorf("the JavaScript clients ended: %w: %s", errors.Join(broken, err, errors.New("unexpectedly")), complaints)
		}
	})
	for i := range o.JavaScript {
		c.speakers = append(c.speakers, &javaScriptClient{process: clients, name: javaScriptPrefix + strconv.Itoa(i)})
	}
	return nil
}

// event is a line that the process writes.
type event struct {
	Event, Client, Text, Server, Error string
	At                                 int64
	Headers                            map[string]string
}

// follow books what the process says until it ends, and returns why the rest of it cannot be read.
func (j *javaScript) follow(output io.Reader) error {
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			_, _ = fmt.Fprintf(j.crowd.log, "the JavaScript clients say %q: %v\n", lines.Text(), err)
			continue
		}
		j.book(e)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read what they say: %w", err)
	}
	return nil
}

func (j *javaScript) book(e event) {
	switch e.Event {
	case "answered":
		j.answered(e)
		return
	case "fault":
		_, _ = fmt.Fprintf(j.crowd.log, "%s a JavaScript client fails: %s\n", time.Now().Format(time.StampMilli), e.Error)
		return
	}
	number, err := strconv.Atoi(strings.TrimPrefix(e.Client, javaScriptPrefix))
	if err != nil {
		return
	}
	client := j.first + number
	switch e.Event {
	case "joined", "back":
		j.crowd.books.Join(client, time.Now())
	case "left":
		j.crowd.left(client, e.Error)
	case "opened":
		j.crowd.fronts[client].Store(e.Headers[strings.ToLower(haproxy.PlaceHeader)])
	case "socket":
		j.crowd.books.EndSocket(client)
	case "heard":
		j.crowd.hear(client, []byte(e.Text), func() string { return e.Server }, time.UnixMilli(e.At))
	}
}

func (j *javaScript) answered(e event) {
	var err error
	if e.Error != "" {
		err = errors.New(e.Error)
	}
	if mark, ok := stamp.Parse([]byte(e.Text)); ok {
		j.crowd.books.Answer(int(mark.Sequence), err)
	}
}
