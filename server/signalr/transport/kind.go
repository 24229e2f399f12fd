// Package transport carries the bytes of SignalR connections over HTTP: it negotiates connections, moves what
// clients send to a Session and what the server sends to the clients, over WebSockets, server-sent events and long
// polling, as Microsoft's TransportProtocols.md specifies them. It knows nothing of hub messages.
package transport

import (
	"fmt"
	"strings"
)

// Kind is a transport, or a set of them: the values combine by |.
type Kind uint8

// The transports, numbered as in ASP.NET Core.
const (
	WebSockets       Kind = 1
	ServerSentEvents Kind = 2
	LongPolling      Kind = 4

	// All is every transport; None is what a disabled endpoint offers.
	All  = WebSockets | ServerSentEvents | LongPolling
	None = Kind(1 << 7)
)

// kinds is the order in which transports are offered: clients try them as they are listed.
var kinds = [...]struct {
	kind   Kind
	name   string
	binary bool
}{
	{WebSockets, "WebSockets", true},
	{ServerSentEvents, "ServerSentEvents", false},
	{LongPolling, "LongPolling", true},
}

// Has tells whether the set holds the transport other.
func (k Kind) Has(other Kind) bool { return k&other != 0 }

// Binary tells whether the transport carries bytes that are not UTF-8 text.
func (k Kind) Binary() bool { return k != ServerSentEvents }

// String names a transport as the negotiate response does, a set as names joined by commas.
func (k Kind) String() string {
	var names []string
	for _, entry := range kinds {
		if k.Has(entry.kind) {
			names = append(names, entry.name)
		}
	}
	if len(names) == 0 {
		return "None"
	}
	return strings.Join(names, ",")
}

// ParseKind reads a set of transports as String writes it; case does not matter.
func ParseKind(text string) (Kind, error) {
	var set Kind
	for name := range strings.SplitSeq(text, ",") {
		kind, err := parseOne(strings.TrimSpace(name))
		if err != nil {
			return 0, err
		}
		set |= kind
	}
	return set, nil
}

func parseOne(name string) (Kind, error) {
	if strings.EqualFold(name, "None") {
		return None, nil
	}
	for _, entry := range kinds {
		if strings.EqualFold(name, entry.name) {
			return entry.kind, nil
		}
	}
	return 0, fmt.Errorf("unknown transport %q: allowed are WebSockets, ServerSentEvents, LongPolling and None", name)
}
