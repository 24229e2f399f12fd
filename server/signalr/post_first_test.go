package signalr_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr"
	"github.com/chatcluster/chatcluster/server/signalr/transport"
)

func (*echoHub) Transport(ctx *signalr.Context) string { return ctx.Transport().String() }

// handshake is a handshake request for a protocol, with what follows it.
func handshake(protocol string, messages ...string) string {
	return `{"protocol":"` + protocol + `","version":1}` + "\x1e" + strings.Join(append(messages, ""), "\x1e")
}

// exchangeHTTP sends a request for the connection of a token and returns the answer, which the test's end closes.
func exchangeHTTP(t *testing.T, method, address, token, accept, body string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, method, address+"?id="+token, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func TestWhatAClientPostsBeforeItChoosesATransportWaitsForThat(t *testing.T) {
	const binaryOverText = `{"error":"Cannot use the 'messagepack' protocol on the current transport.` +
		" The transport does not support 'Binary' transfer format.\"}\x1e"
	for name, test := range map[string]struct {
		posted string
		kind   transport.Kind
		want   string
	}{
		"a call": {
			handshake("json", `{"type":1,"invocationId":"1","target":"Transport","arguments":[]}`), transport.LongPolling,
			"{}\x1e" + `{"type":3,"invocationId":"1","result":"LongPolling"}` + "\x1e",
		},
		"a handshake that is refused": {
			handshake("x"), transport.LongPolling, `{"error":"The protocol 'x' is not supported."}` + "\x1e",
		},
		"a handshake that the transport cannot carry": {handshake("messagepack"), transport.ServerSentEvents, binaryOverText},
	} {
		t.Run(name, func(t *testing.T) {
			_, address := startHub(t, &echoHub{}, signalr.HubOptions{}, signalr.EndpointOptions{})
			token := negotiate(t, address).ConnectionToken
			if got := exchangeHTTP(t, http.MethodPost, address, token, "", test.posted); got.StatusCode != http.StatusOK {
				t.Fatalf("the POST is answered %s", got.Status)
			}
			if test.kind == transport.ServerSentEvents {
				if got := readEvent(t, exchangeHTTP(t, http.MethodGet, address, token, "text/event-stream", "").Body); got != test.want {
					t.Errorf("the event is %q, want %q", got, test.want)
				}
				return
			}
			var polled strings.Builder
			for polled.Len() < len(test.want) {
				response := exchangeHTTP(t, http.MethodGet, address, token, "", "")
				if response.StatusCode != http.StatusOK {
					t.Fatalf("a poll is answered %s after %q", response.Status, polled.String())
				}
				if _, err := io.Copy(&polled, response.Body); err != nil {
					t.Fatal(err)
				}
			}
			exchangeHTTP(t, http.MethodDelete, address, token, "", "") // else the end of the server waits for the next poll
			if got := polled.String(); got != test.want {
				t.Errorf("the polls got %q, want %q", got, test.want)
			}
		})
	}
}

// readEvent returns the data of the first server-sent event.
func readEvent(t *testing.T, stream io.Reader) string {
	t.Helper()
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			return data
		}
	}
	t.Fatalf("no event came: %v", lines.Err())
	return ""
}
