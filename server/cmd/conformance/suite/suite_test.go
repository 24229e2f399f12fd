package suite

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait for something that has to happen: far more than anything takes.
const patience = 30 * time.Second

// rowsAtATime is how many rows run in parallel. Most of them only wait, so it does not depend on the number of cores.
const rowsAtATime = 48

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("CONFORMANCE") == "" {
		fmt.Println("skipped: the conformance suite runs by make conformance")
		return
	}
	if !isSet("test.parallel") {
		_ = flag.Set("test.parallel", strconv.Itoa(rowsAtATime))
	}
	code := m.Run()
	board.print(os.Stdout)
	os.Exit(code)
}

// board has the scores of all rows, which TestMain prints.
var board = &scores{tallies: map[[2]string]*tally{}, absent: map[string]string{}, excepted: map[string]bool{}}

func isSet(name string) (set bool) {
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// section is a part of the protocol.
type section struct {
	name string
	rows []row
	// shared is set if the rows hold for different servers on one Redis, single if they tell one server from another.
	shared bool
	single bool
}

// row is one promise of the protocol.
type row struct {
	// id is the row's name in the tables of the protocol's facts.
	id   string
	name string
	run  func(x *trial)
	// single is set if the row holds only where all clients are on one server.
	single bool
	// exception is set where ASP.NET Core does not keep the promise.
	exception *exception
}

// exception is a place where the reference is wrong: why, and a test that shows it, so that the claim stays true.
type exception struct {
	reason string
	shows  func(x *trial)
}

var sections = []section{
	{name: "Negotiate", rows: negotiateRows},
	{name: "Generic HTTP errors", rows: httpRows},
	{name: "WebSockets", rows: webSocketRows},
	{name: "SSE", rows: eventRows},
	{name: "Long polling", rows: pollRows},
	{name: "Handshake", rows: handshakeRows},
	{name: "Invocations", rows: invocationRows},
	{name: "Streaming", rows: streamRows},
	{name: "Keep-alive and timeouts", rows: keepAliveRows},
	{name: "Client results", rows: resultRows},
	{name: "Stateful reconnect", rows: reconnectRows},
	{name: "Targets, groups, users", rows: targetRows, shared: true},
	{name: "Redis interop", rows: backplaneRows, shared: true, single: true},
}

// TestConformance runs every row against every server.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, implementation := range implementations(t) {
		board.column(implementation)
		t.Run(implementation.name, func(t *testing.T) {
			t.Parallel()
			if implementation.absent != "" {
				t.Skip(implementation.absent)
			}
			t.Cleanup(implementation.stop)
			for _, section := range sections {
				if implementation.mixed && !section.shared || implementation.pair && section.single {
					continue
				}
				t.Run(section.name, func(t *testing.T) {
					t.Parallel()
					for _, row := range section.rows {
						if implementation.pair && row.single {
							continue
						}
						t.Run(row.id+" "+row.name, func(t *testing.T) {
							t.Parallel()
							t.Cleanup(func() { board.note(t, implementation, section.name, row) })
							runRow(&trial{T: t, implementation: implementation, row: row.id}, row)
						})
					}
				})
			}
		})
	}
}

func runRow(x *trial, row row) {
	if x.implementation.reference && row.exception != nil {
		x.Attr("exception", row.exception.reason)
		row.exception.shows(x)
		return
	}
	row.run(x)
}

// TestRowsAreNamedOnce keeps the table in order: a row that is there twice hides that another is missing.
func TestRowsAreNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, section := range sections {
		for number, row := range section.rows {
			if seen[row.id] {
				t.Errorf("row %s is there twice", row.id)
			}
			seen[row.id] = true
			if want := fmt.Sprint(row.id[:1], number+1); row.id != want {
				t.Errorf("%s: row %s stands where %s belongs", section.name, row.id, want)
			}
		}
	}
}

// trial is one row on its way against one server.
type trial struct {
	*testing.T
	implementation *implementation
	row            string
}

// tag is a text that no other row uses: groups, users and messages that begin with it are the row's own.
func (x *trial) tag(text string) string { return x.row + "/" + text }

// check fails the row unless both are the same.
func check[T comparable](x *trial, what string, got, want T) {
	x.Helper()
	if got != want {
		x.Fatalf("%s is %v, want %v", what, got, want)
	}
}

// must fails the row if err is not nil.
func (x *trial) must(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}

// eventually waits until condition holds.
func (x *trial) eventually(what string, condition func() bool) {
	x.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(patience)
	for !condition() {
		select {
		case <-ticker.C:
		case <-limit:
			x.Fatalf("waited in vain: %s", what)
		}
	}
}

// idle lets time pass where its passing is the stimulus.
func (x *trial) idle(duration time.Duration) {
	x.Helper()
	select {
	case <-time.After(duration):
	case <-x.Context().Done():
	}
}

// within fails the row if duration is not between both bounds.
func (x *trial) within(what string, duration, least, most time.Duration) {
	x.Helper()
	if duration < least || duration > most {
		x.Fatalf("%s took %v, want %v to %v", what, duration.Round(time.Millisecond), least, most)
	}
}

// contains fails the row unless text has part in it.
func (x *trial) contains(what, text, part string) {
	x.Helper()
	if !strings.Contains(text, part) {
		x.Fatalf("%s is %q, want %q in it", what, text, part)
	}
}
