package handover

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func texts(t *rapid.T, label string) []string {
	return rapid.SliceOfN(rapid.String(), 0, 4).Draw(t, label)
}

func someState(t *rapid.T) State {
	state := State{
		Started:      time.Unix(0, rapid.Int64Range(0, 1<<62).Draw(t, "started")),
		Acknowledged: rapid.Int64Range(0, 1<<62).Draw(t, "acknowledged"),
		Received:     rapid.Int64Range(0, 1<<62).Draw(t, "received"),
		Unread:       rapid.SliceOf(rapid.Byte()).Draw(t, "unread"),
		Pings:        rapid.Bool().Draw(t, "pings"),
		Messages:     rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 5).Draw(t, "messages"),
		Items:        rapid.MapOfN(rapid.String(), rapid.SliceOf(rapid.Byte()), 0, 4).Draw(t, "items"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "results") {
		state.Results = append(state.Results, Result{rapid.String().Draw(t, "invocation"), rapid.String().Draw(t, "return to")})
	}
	return state
}

// empty makes what is empty equal to what is not there.
func empty[S ~[]E, E any](list S) S {
	if len(list) == 0 {
		return nil
	}
	return list
}

func TestEncodingsAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		request := Request{Hub: rapid.String().Draw(t, "hub"), Domain: rapid.String().Draw(t, "domain"), Identity: rapid.String().Draw(t, "identity")}
		if got, err := ParseRequest(request.Append(nil)); err != nil || got != request {
			t.Fatalf("%+v, %v, want %+v", got, err, request)
		}
		offer := Offer{Domain: "d", Protocol: "json", User: rapid.String().Draw(t, "user"), Groups: empty(texts(t, "groups"))}
		if got, err := ParseOffer(offer.Append(nil)); err != nil || !reflect.DeepEqual(got, offer) {
			t.Fatalf("%+v, %v, want %+v", got, err, offer)
		}
		state := someState(t)
		got, err := ParseState(state.Append(nil))
		if err != nil || !got.Started.Equal(state.Started) || got.Acknowledged != state.Acknowledged || got.Received != state.Received || got.Pings != state.Pings || !bytes.Equal(got.Unread, state.Unread) {
			t.Fatalf("%+v, %v, want %+v", got, err, state)
		}
		if !reflect.DeepEqual(got.Results, state.Results) || len(got.Messages) != len(state.Messages) || len(got.Items) != len(state.Items) {
			t.Fatalf("%+v, want %+v", got, state)
		}
		for at := range state.Messages {
			if !bytes.Equal(got.Messages[at], state.Messages[at]) {
				t.Fatalf("message %d is %q, want %q", at, got.Messages[at], state.Messages[at])
			}
		}
		for name := range state.Items {
			if !bytes.Equal(got.Items[name], state.Items[name]) {
				t.Fatalf("item %q is %q, want %q", name, got.Items[name], state.Items[name])
			}
		}
	})
}

func TestWhatIsCutOrTooLongIsAnError(t *testing.T) {
	state := State{Unread: []byte("un"), Messages: [][]byte{[]byte("one"), []byte("two")}, Items: map[string][]byte{"a": []byte("1")}, Results: []Result{{"i", "r"}}}
	whole := state.Append(nil)
	for length := range whole {
		if _, err := ParseState(whole[:length]); err == nil {
			t.Errorf("the first %d of %d bytes were read", length, len(whole))
		}
	}
	if _, err := ParseState(append(whole, 0)); !errors.Is(err, ErrMalformed) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestAnotherVersionIsRefused(t *testing.T) {
	offer := (&Offer{}).Append(nil)
	offer[0]++
	if _, err := ParseOffer(offer); !errors.Is(err, ErrVersion) {
		t.Errorf("got %v", err)
	}
}

func FuzzParseState(f *testing.F) {
	f.Add((&State{}).Append(nil))
	f.Add((&State{Unread: []byte{3}, Messages: [][]byte{{1, 2}}, Items: map[string][]byte{"a": []byte(`{}`)}, Results: []Result{{"i", "r"}}}).Append(nil))
	f.Add([]byte{version, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := ParseState(data)
		if err != nil {
			return
		}
		again, err := ParseState(state.Append(nil))
		if err != nil || !reflect.DeepEqual(again, state) {
			t.Errorf("%+v became %+v, %v", state, again, err)
		}
	})
}
