package crowd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/chatcluster/chatcluster/server/chat/client"
)

// currentClient is the connection that a client has now.
type currentClient struct {
	mu         sync.Mutex // guards connection
	connection *client.Client
}

func (c *currentClient) set(connection *client.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connection = connection
}

func (c *currentClient) get() *client.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connection
}

// process is the one in which all JavaScript clients are.
type process struct {
	crowd *Crowd
	mu    sync.Mutex // guards writes to input
	input io.Writer
}

// javaScriptClient is one of them.
type javaScriptClient struct {
	process *process
	id      string
}

func (j *javaScriptClient) name() string { return j.id }

func (j *javaScriptClient) say(_ context.Context, text string) {
	line, err := json.Marshal(map[string]string{"client": j.id, "say": text})
	if err == nil {
		j.process.mu.Lock()
		_, err = j.process.input.Write(append(line, '\n'))
		j.process.mu.Unlock()
	}
	if err != nil {
		j.process.crowd.answer(text, err)
	}
}

// event is a line that the process writes.
type event struct {
	Event, Client, Text, Server, Error string
	At                                 int64
}

// startJavaScript starts the process; it ends with ctx.
func (c *Crowd) startJavaScript(ctx context.Context) ([]speaker, error) {
	args := []string{"crowd.js", c.options.URL, strconv.Itoa(c.options.JavaScript)}
	if c.options.Transport != "" {
		args = append(args, "--transport", c.options.Transport)
	}
	if c.options.Stateful {
		args = append(args, "--stateful")
	}
	command := exec.CommandContext(ctx, "node", args...) //nolint:gosec // the arguments are the suite's own
	command.Dir = c.options.JavaScriptFolder
	complaints := &bytes.Buffer{}
	command.Stderr = complaints
	input, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the JavaScript clients: %w", err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the JavaScript clients: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting the JavaScript clients: %w", err)
	}
	c.clients.Go(func() {
		c.follow(output)
		if err := command.Wait(); ctx.Err() == nil {
			c.errs <- fmt.Errorf("the JavaScript clients ended: %w: %s", errors.Join(err, errors.New("unexpectedly")), complaints)
		}
	})
	process := &process{crowd: c, input: input}
	speakers := make([]speaker, c.options.JavaScript)
	for i := range speakers {
		speakers[i] = &javaScriptClient{process: process, id: "js-" + strconv.Itoa(i)}
	}
	return speakers, nil
}

// follow books what the process says until it ends.
func (c *Crowd) follow(output io.Reader) {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			c.options.Log("the JavaScript clients say %q: %v", lines.Text(), err)
			continue
		}
		switch e.Event {
		case "joined", "back":
			c.join(e.Client, e.Event == "back")
		case "left":
			c.leave(e.Client)
		case "socket":
			c.loseSocket(e.Client)
		case "heard":
			c.hear(e.Client, e.Text, e.Server, time.UnixMilli(e.At))
		case "answered":
			var err error
			if e.Error != "" {
				err = errors.New(e.Error)
			}
			c.answer(e.Text, err)
		}
	}
}
