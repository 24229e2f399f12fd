package redis

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
)

// State is how a Backplane stands with Redis.
type State struct {
	// Connected: messages can be published, and all subscriptions are in place.
	Connected bool
	// EverConnected: Connected has been true at least once.
	EverConnected bool
	// Generation counts how often all subscriptions came to be in place, from 1 on. Messages that were published between
	// two generations were missed, except in ModeStreams.
	Generation uint64
	// Missed counts, in ModeStreams, messages of others that were gone from the stream before this process had read them:
	// trimmed, or lost by Redis when their publisher had given them up.
	Missed uint64
	// Forgotten counts, in ModeStreams, messages of this process that it could not keep until they were safe in Redis.
	// They may have arrived nevertheless.
	Forgotten uint64
	// Refusal says why Redis, connected, did not take the latest messages; nil if it did. The observer is not told of it.
	Refusal error
	// LastError says why the connection is missing, or why it was last lost; nil if nothing ever went wrong.
	LastError error
}

// status keeps the State of all connections together and tells of its changes.
type status struct {
	address  string
	logger   *slog.Logger
	observer Observer

	// first is closed when all connections are there for the first time.
	first chan struct{}

	refusals refusals

	// telling is held, before mutex, from a change until it is logged and the observer knows, so that both see changes in
	// order. Who only asks does not wait for it: a log may be slow.
	telling sync.Mutex
	// mutex guards what follows and the legs' fields.
	mutex      sync.Mutex
	legs       map[*leg]struct{}
	state      State
	lastLogged string
}

// purpose is what a connection is for.
type purpose bool

const (
	publishing  purpose = false
	subscribing purpose = true
)

// leg is one of the connections that must be up for the state to be Connected.
type leg struct {
	status  *status
	purpose purpose
	up      bool
}

func newStatus(options Options, address string) *status {
	return &status{
		address: address, logger: options.Logger, observer: options.Observer,
		first: make(chan struct{}), legs: make(map[*leg]struct{}),
	}
}

// leg adds a connection that is not up yet.
func (s *status) leg(purpose purpose) *leg {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	added := &leg{status: s, purpose: purpose}
	s.legs[added] = struct{}{}
	return added
}

// rise notes that the connection is up, or up anew.
func (l *leg) rise() {
	l.status.change(func(s *status) (tell func()) {
		l.up = true
		if l.purpose == subscribing {
			s.state.Generation++
		}
		return s.changed()
	})
	if l.purpose == publishing {
		_ = l.status.refusals.set(nil) // what a former connection was refused says nothing about this one
	}
}

// fall notes that the connection was lost or could not be made.
func (l *leg) fall(err error) {
	l.status.change(func(s *status) (tell func()) {
		l.up = false
		return s.failed(err)
	})
}

// remove takes out a connection that is not needed any more.
func (l *leg) remove() {
	l.status.change(func(s *status) (tell func()) {
		delete(s.legs, l)
		return s.changed()
	})
}

// change calls how with the mutex held, and then what it returns, if anything, without.
func (s *status) change(how func(*status) (tell func())) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.mutex.Lock()
	tell := how(s)
	s.mutex.Unlock()
	if tell != nil {
		tell()
	}
}

// complete is called with the mutex held.
func (s *status) complete() bool {
	for leg := range s.legs {
		if !leg.up {
			return false
		}
	}
	return len(s.legs) > 0
}

// changed is called with the mutex held when a connection was made, and returns what there is to tell.
func (s *status) changed() (tell func()) {
	if s.state.Connected || !s.complete() {
		return nil
	}
	s.state.Connected = true
	if !s.state.EverConnected {
		s.state.EverConnected = true
		close(s.first)
	}
	s.lastLogged = ""
	state := s.state
	return func() {
		s.logger.Info("connected to Redis", "address", s.address)
		s.observer.StateChanged(state)
	}
}

// failed is called with the mutex held when a connection was lost or could not be made, and returns what there is to tell:
// one line for an outage, and another only when Redis answers and refuses. That is news, a refused connection is not.
func (s *status) failed(err error) (tell func()) {
	text := "cannot connect to Redis, will keep trying"
	if s.state.Connected {
		text = "lost the connection to Redis, reconnecting"
	}
	news := s.state.Connected || s.lastLogged == "" || isRefusal(err) && s.lastLogged != err.Error()
	s.state.Connected, s.state.LastError = false, err
	if !news {
		return nil
	}
	s.lastLogged = err.Error()
	state := s.state
	return func() {
		s.logger.Warn(text, "address", s.address, "error", err)
		s.observer.StateChanged(state)
	}
}

func (s *status) snapshot() State {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	state := s.state
	state.Refusal = s.refusals.get()
	return state
}

// ready waits for the first connection.
func (s *status) ready(ctx context.Context) error {
	select {
	case <-s.first:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for Redis at %s (%s): %w", s.address, s.reason(), context.Cause(ctx))
	}
}

// reason says in a few words why Redis is not there.
func (s *status) reason() string {
	if err := s.snapshot().LastError; err != nil {
		return err.Error()
	}
	return "not connected yet"
}

// missed counts messages that were gone before they were read.
func (s *status) missed(messages uint64) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.state.Missed += messages
}

// forgot counts messages that could not be kept until they were safe.
func (s *status) forgot(messages uint64) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.state.Forgotten += messages
}
