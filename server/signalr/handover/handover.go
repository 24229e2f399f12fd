// Package handover has what two servers tell each other of a connection that moves from one to the other, and its encoding. It
// does no I/O. What is decoded came from a server of the same cluster, possibly of another version: every length is bounded by what is
// there, and an unknown version is an error.
package handover

import (
	"errors"
	"fmt"
	"time"
)

// version is that of all three encodings. A server that gets another one does not move the connection.
const version = 1

// MaximumState is how many bytes a State may have when it is encoded.
const MaximumState = 4 << 20

// The errors of decoding.
var (
	// ErrVersion: the other server speaks another version of these encodings.
	ErrVersion = errors.New("the other server encodes connections in another version")
	// ErrMalformed: the bytes are no such encoding.
	ErrMalformed = errors.New("the encoding of a connection is malformed")
)

// Request is what the server to which a client has come tells the owner of its connection.
type Request struct {
	// Hub is the name of the hub that the client's request was for.
	Hub string
	// Domain is the order of messages in which that server stands.
	Domain string
	// Identity is the user whom the client has proven to be, "" for none.
	Identity string
}

// Offer is what the owner answers: all that the new server needs to hear what the connection hears.
type Offer struct {
	// Domain is the order of messages in which the owner stands.
	Domain string
	// Protocol is the name of the connection's hub protocol.
	Protocol string
	User     string
	Groups   []string
}

// State is everything else, as it is when the flow of messages has been cut.
type State struct {
	// Started is when the connection began.
	Started time.Time
	// Acknowledged is the number of the last message that the client has confirmed; Messages follow it, without a gap.
	Acknowledged int64
	Messages     [][]byte
	// Received is the number of the last message of the client that has taken effect.
	Received int64
	// Unread are the bytes behind it that have come and that the client does not send again.
	Unread []byte
	// Pings tells that the client has sent something by which it is known to ping.
	Pings bool
	// Items are the application's values, as JSON, by name.
	Items map[string][]byte
	// Results are the calls that the client still has to answer.
	Results []Result
}

// Result is a call of a client method whose result a server waits for.
type Result struct {
	InvocationID string
	// ReturnTo is the backplane's address of that server.
	ReturnTo string
}

// Append adds the encoding of the request to dst.
func (r *Request) Append(dst []byte) []byte {
	w := writer(append(dst, version))
	w.text(r.Hub)
	w.text(r.Domain)
	w.text(r.Identity)
	return w
}

// ParseRequest decodes a request.
func ParseRequest(data []byte) (Request, error) {
	r := newReader(data)
	request := Request{Hub: r.text(), Domain: r.text(), Identity: r.text()}
	if err := r.finish(); err != nil {
		return Request{}, fmt.Errorf("read a request for a connection: %w", err)
	}
	return request, nil
}

// Append adds the encoding of the offer to dst.
func (o *Offer) Append(dst []byte) []byte {
	w := writer(append(dst, version))
	w.text(o.Domain)
	w.text(o.Protocol)
	w.text(o.User)
	w.number(uint64(len(o.Groups)))
	for _, group := range o.Groups {
		w.text(group)
	}
	return w
}

// ParseOffer decodes an offer.
func ParseOffer(data []byte) (Offer, error) {
	r := newReader(data)
	offer := Offer{Domain: r.text(), Protocol: r.text(), User: r.text()}
	for range r.count(1) {
		offer.Groups = append(offer.Groups, r.text())
	}
	if err := r.finish(); err != nil {
		return Offer{}, fmt.Errorf("read an offer of a connection: %w", err)
	}
	return offer, nil
}

// Append adds the encoding of the state to dst.
func (s *State) Append(dst []byte) []byte {
	w := writer(append(dst, version))
	w.number(uint64(max(s.Started.UnixNano(), 0)))
	w.number(uint64(s.Acknowledged))
	w.number(uint64(s.Received))
	w.bytes(s.Unread)
	w.flag(s.Pings)
	w.number(uint64(len(s.Messages)))
	for _, message := range s.Messages {
		w.bytes(message)
	}
	w.number(uint64(len(s.Items)))
	for name, value := range s.Items {
		w.text(name)
		w.bytes(value)
	}
	w.number(uint64(len(s.Results)))
	for _, result := range s.Results {
		w.text(result.InvocationID)
		w.text(result.ReturnTo)
	}
	return w
}

// ParseState decodes a state. Its messages and values are parts of data.
func ParseState(data []byte) (State, error) {
	r := newReader(data)
	state := State{Started: time.Unix(0, r.signed()), Acknowledged: r.signed(), Received: r.signed(), Unread: r.bytes(), Pings: r.flag()}
	for range r.count(1) {
		state.Messages = append(state.Messages, r.bytes())
	}
	items := r.count(2)
	if items > 0 {
		state.Items = make(map[string][]byte, items)
	}
	for range items {
		name := r.text()
		state.Items[name] = r.bytes()
	}
	for range r.count(2) {
		state.Results = append(state.Results, Result{InvocationID: r.text(), ReturnTo: r.text()})
	}
	if err := r.finish(); err != nil {
		return State{}, fmt.Errorf("read the state of a connection: %w", err)
	}
	return state, nil
}
