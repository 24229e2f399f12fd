package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

func TestCheckSaysThatNobodyAnswers(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "give it the address of a hub"},
		{[]string{"http://127.0.0.1:1/chatHub", "--timeout", "100ms"}, "no message came through in 100ms"},
		{[]string{"--timeout", "soon", "http://127.0.0.1:1/chatHub"}, "invalid argument"},
	} {
		var output bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := check(ctx, test.args, &output)
		cancel()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("check %q gives %v, want it to say %q", test.args, err, test.want)
		}
	}
}

func TestCheckSendsAMessageThroughARunningServer(t *testing.T) {
	server := run(t, nil, "--urls", "http://127.0.0.1:0", "--server-name", "north")
	output, err := command(t, nil, "check", server.address+"/chatHub").CombinedOutput()
	if err != nil || !strings.Contains(string(output), "sent by way of north") {
		t.Errorf("check says %q (%v), want that a message came through", output, err)
	}
}
