package cluster

import (
	"fmt"
	"strconv"
	"strings"
)

// State is what a server wants of others.
type State string

// The states of a server.
const (
	// Starting: it gets no clients yet.
	Starting State = "starting"
	// Ready: it takes clients.
	Ready State = "ready"
	// Draining: it wants to get rid of those that it has.
	Draining State = "draining"
)

// Load is what a server carries. The zero value is that of a server that says nothing of it.
type Load struct {
	State State
	// Connections are those that the server owns, Movable those of them that could go on at another one.
	Connections, Movable int
	// Limit is how many connections the server takes, 0 for any number.
	Limit int
}

// Full tells whether the server takes no further connection.
func (l Load) Full() bool { return l.Limit > 0 && l.Connections >= l.Limit }

// Server is one that lives.
type Server struct {
	Peer
	// Load is what it said when it was last renewed.
	Load Load
	// Reported is when that was, in milliseconds by the directory's clock; it tells one report from the next. 0 means that
	// the server has said nothing: it is of a version that does not.
	Reported int64
}

// text is the load as the directory keeps it. Later versions append fields.
func (l Load) text() string {
	return fmt.Sprintf("%s %d %d %d", l.State, l.Connections, l.Movable, l.Limit)
}

// report is a line of the directory: who, when, and what it carries.
type report struct {
	instance string
	at       int64
	load     Load
}

// parseReport reads a line. One that makes no sense counts as none: it is another version's, and costs only the balance.
func parseReport(line string) (r report, ok bool) {
	fields := strings.Fields(line)
	const known = 6
	if len(fields) < known {
		return report{}, false
	}
	var numbers [4]int64
	for at, field := range []string{fields[1], fields[3], fields[4], fields[5]} {
		number, err := strconv.ParseInt(field, 10, 64)
		if err != nil || number < 0 {
			return report{}, false
		}
		numbers[at] = number
	}
	return report{instance: fields[0], at: numbers[0], load: Load{
		State: State(fields[2]), Connections: int(numbers[1]), Movable: int(numbers[2]), Limit: int(numbers[3]),
	}}, true
}

// withReports adds to the servers what they have said.
func withReports(peers []Peer, lines string) []Server {
	reports := make(map[string]report, len(peers))
	for line := range strings.Lines(lines) {
		if r, ok := parseReport(line); ok {
			reports[r.instance] = r
		}
	}
	servers := make([]Server, 0, len(peers))
	for _, peer := range peers {
		r := reports[peer.Instance]
		servers = append(servers, Server{Peer: peer, Load: r.load, Reported: r.at})
	}
	return servers
}
