package cluster

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// startForwarding starts a server that finds the connections "c" and "d" at the owner, which has only the first.
func startForwarding(t *testing.T, forwarded http.HandlerFunc) (*Member, *owner) {
	t.Helper()
	keys := mustKeys(t, keyOf("k"))
	o := startOwner(t, keys, forwarded)
	member := NewMember(MemberOptions{
		Self: Peer{Instance: "machine_other", Address: "address"}, Directory: newSimulatedDirectory(), Network: newTestNetwork(t, keys, "machine"),
	})
	t.Cleanup(func() { member.Close(context.Background()) })
	member.remember("c", o.peer)
	member.remember("d", o.peer)
	return member, o
}

// Where a connection was, a POST for it may still arrive. Its body must be left for the server that has the connection by then.
func TestABodyStaysUntilTheOwnerAsksForIt(t *testing.T) {
	member, _ := startForwarding(t, func(w http.ResponseWriter, _ *http.Request) { RejectForwarded(w) })
	for _, id := range []string{"c", "d"} { // found out by the hub, and by the listener
		request := httptest.NewRequest(http.MethodPost, "/hub?id=t", io.NopCloser(strings.NewReader("sent")))
		if answered, offered := member.Forward(httptest.NewRecorder(), request, id, "machine_owner", false); answered || offered {
			t.Errorf("%s: answered %v, offered %v", id, answered, offered)
		}
		if body, err := io.ReadAll(request.Body); err != nil || string(body) != "sent" {
			t.Errorf("%s: %q is left of the body, %v", id, body, err)
		}
	}
}

// A body of which some has been read cannot be sent to another server: what it begins with would be lost without a word.
func TestABodyIsNotSentTwice(t *testing.T) {
	member, _ := startForwarding(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		RejectForwarded(w)
	})
	recorder := httptest.NewRecorder()
	request := httptest.NewRequest(http.MethodPost, "/hub?id=t", io.NopCloser(strings.NewReader("sent")))
	if answered, _ := member.Forward(recorder, request, "c", "machine_owner", false); !answered || recorder.Code != http.StatusServiceUnavailable {
		t.Errorf("answered %v with %d", answered, recorder.Code)
	}
}

// recordedStatuses records every status, those before the answer among them.
type recordedStatuses struct {
	*httptest.ResponseRecorder
	statuses []int
}

func (r *recordedStatuses) WriteHeader(status int) {
	r.statuses = append(r.statuses, status)
	r.ResponseRecorder.WriteHeader(status)
}

func TestWhatServersSayAboutABodyIsNotForTheClient(t *testing.T) {
	member, _ := startForwarding(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	recorder := &recordedStatuses{ResponseRecorder: httptest.NewRecorder()}
	recorder.Header().Set("Access-Control-Allow-Origin", "https://page.example.com")
	request := httptest.NewRequest(http.MethodPost, "/hub?id=t", io.NopCloser(strings.NewReader("sent")))
	if answered, _ := member.Forward(recorder, request, "c", "machine_owner", false); !answered || recorder.Body.String() != "sent" {
		t.Errorf("answered %v with %q", answered, recorder.Body)
	}
	if len(recorder.statuses) != 1 || recorder.statuses[0] != http.StatusOK {
		t.Errorf("the client got %v", recorder.statuses)
	}
	if recorder.Header().Get("Access-Control-Allow-Origin") == "" {
		t.Error("a header that was set before is missing")
	}
}

// generousGiver offers every connection.
type generousGiver struct{ Giver }

func (generousGiver) Offers(string) bool { return true }

func TestAConnectionIsOfferedToAServerThatTakesIt(t *testing.T) {
	member, o := startForwarding(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	o.member.OnMove(generousGiver{})
	for _, takes := range []bool{true, false} {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodGet, "/hub?id=t", nil)
		answered, offered := member.Forward(recorder, request, "c", "machine_owner", takes)
		if answered == takes || offered != takes {
			t.Errorf("to a server that takes: %v; answered %v, offered %v", takes, answered, offered)
		}
	}
}

// What the directory says of a move is known to others before the new owner has all that it needs.
func TestARequestWaitsForTheConnectionThatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simulateMoves(t, 2, &faults{})
		next := m.members[1]
		move := &taking{attempt: "1", over: make(chan struct{})}
		if !next.beginTaking(theConnection, move) {
			t.Fatal("another move is under way")
		}
		began := time.Now()
		go func() {
			time.Sleep(time.Second)
			next.taken(theConnection, 2, move, &fakeTaker{hubs: m.hubs, member: next})
			next.endTaking(theConnection, move)
		}()
		handler := next.handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
		for id, want := range map[string]int{theConnection: http.StatusOK, "another": http.StatusGone} {
			request := httptest.NewRequest(http.MethodGet, forwardPath+"/hub", nil)
			request.Header.Set(instanceHeader, next.Self().Instance)
			request.Header.Set(connectionHeader, id)
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			if recorder.Code != want {
				t.Errorf("%s: answered with %d after %v, want %d", id, recorder.Code, time.Since(began), want)
			}
		}
		clear(m.acts)
	})
}

// A POST waits for the end of a move; a client that comes back ends it.
func TestAwaitingAMoveDoesNotEndIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := simulateMoves(t, 2, &faults{})
		owner, next := m.members[0], m.members[1]
		if reply, err := owner.Answer(t.Context(), MoveRequest{Step: StepPrepare, ConnectionID: theConnection, Attempt: "1", From: next.Self()}); err != nil || reply.Refused != "" {
			t.Fatal(reply, err)
		}
		awaited := make(chan bool, 1)
		go func() {
			kept, err := owner.Await(t.Context(), theConnection)
			if err != nil {
				t.Error(err)
			}
			awaited <- kept
		}()
		synctest.Wait()
		select {
		case <-awaited:
			t.Fatal("it did not wait")
		default:
		}
		if reply, err := owner.Answer(t.Context(), MoveRequest{Step: StepState, ConnectionID: theConnection, Attempt: "1", From: next.Self()}); err != nil || reply.Refused != "" {
			t.Fatalf("the move was ended: %+v, %v", reply, err)
		}
		if _, err := owner.Answer(t.Context(), MoveRequest{Step: StepGiveUp, ConnectionID: theConnection, Attempt: "1", From: next.Self()}); err != nil {
			t.Fatal(err)
		}
		if !<-awaited {
			t.Error("the connection is not kept")
		}
	})
}
