package redis

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

// modelServer is a server's index of its connections, as simple as can be.
type modelServer struct {
	plane *Backplane
	hub   backplane.Hub

	// membership is held while targets are subscribed, before mutex: each is subscribed once.
	membership sync.Mutex
	// mutex guards what follows. It is not held while subscribing.
	mutex   sync.Mutex
	members map[string]*modelConnection
	got     map[string][]int
	// fences counts those that cut the group commands. left has what it was at the fence behind which a connection left.
	fences uint64
	left   map[string]uint64
}

// modelConnection is a connection on its server.
type modelConnection struct {
	targets map[backplane.Target]bool
	// since is what fences was at the fence behind which it came: group commands from before are for its former server.
	since uint64
	// move is under way; nil if none is.
	move *modelMove
}

func (s *modelServer) Deliver(target backplane.Target, message backplane.Message) {
	number, _ := strconv.Atoi(string(message.Encodings[0].Frame))
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for id, connection := range s.members {
		switch {
		case target != toAll && !connection.targets[target] || slices.Contains(message.Excluded, id):
		case connection.move != nil && connection.move.isCut(target):
			connection.move.behind = append(connection.move.behind, number)
		case connection.move == nil || !connection.move.arriving:
			s.got[id] = append(s.got[id], number)
		}
	}
}

func (s *modelServer) Fenced(mark string, target backplane.Target) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	commands := target.Scope == backplane.ScopeCommands || target.Scope == backplane.ScopeEverything
	if commands {
		s.fences++
	}
	for _, connection := range s.members {
		if move := connection.move; move != nil && move.mark == mark {
			move.cut[target] = true
			if commands {
				move.fences = s.fences
			}
		}
	}
}

func (s *modelServer) AddToGroup(ctx context.Context, id, group string) (bool, error) {
	return s.command(ctx, id, func() error { return s.enterLocked(ctx, id, toGroup(group)) })
}

func (s *modelServer) RemoveFromGroup(ctx context.Context, id, group string) (bool, error) {
	return s.command(ctx, id, func() error {
		s.leaveLocked(id, toGroup(group))
		return nil
	})
}

// command carries out a group command here, or sends it behind a connection that has left, or leaves it to another server.
func (s *modelServer) command(ctx context.Context, id string, here func() error) (local bool, err error) {
	for {
		s.membership.Lock()
		mine, departed, move := s.judge(ctx, id)
		if mine {
			defer s.membership.Unlock()
			return true, here()
		}
		s.membership.Unlock()
		switch {
		case departed:
			return false, backplane.ErrMoved
		case move == nil:
			return false, nil
		}
		select {
		case <-move.decided:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// judge tells whose a group command is; the answer is open while the connection moves.
func (s *modelServer) judge(ctx context.Context, id string) (mine, departed bool, move *modelMove) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	place, connection := backplane.FencesBefore(ctx), s.members[id]
	switch {
	case connection == nil:
		return false, place < s.left[id], nil
	case connection.move != nil:
		return false, false, connection.move
	default:
		return place >= connection.since, false, nil
	}
}

func (s *modelServer) Complete(string, []byte) {}

func (s *modelServer) accept(id string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.members[id] = &modelConnection{targets: make(map[backplane.Target]bool)}
}

// end lets a connection go.
func (s *modelServer) end(id string) {
	s.membership.Lock()
	defer s.membership.Unlock()
	for _, target := range s.targets(id) {
		s.leaveLocked(id, target)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.members, id)
}

func (s *modelServer) targets(id string) []backplane.Target {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Collect(maps.Keys(s.members[id].targets))
}

func (s *modelServer) count(target backplane.Target) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	count := 0
	for _, connection := range s.members {
		if connection.targets[target] {
			count++
		}
	}
	return count
}

// enter subscribes for the first member.
func (s *modelServer) enter(ctx context.Context, id string, target backplane.Target) error {
	s.membership.Lock()
	defer s.membership.Unlock()
	return s.enterLocked(ctx, id, target)
}

func (s *modelServer) enterLocked(ctx context.Context, id string, target backplane.Target) error {
	if s.count(target) == 0 {
		if err := s.hub.Subscribe(ctx, target); err != nil {
			return err
		}
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.members[id].targets[target] = true
	return nil
}

// leave unsubscribes after the last member.
func (s *modelServer) leave(id string, target backplane.Target) {
	s.membership.Lock()
	defer s.membership.Unlock()
	s.leaveLocked(id, target)
}

func (s *modelServer) leaveLocked(id string, target backplane.Target) {
	s.mutex.Lock()
	was := s.members[id].targets[target]
	delete(s.members[id].targets, target)
	s.mutex.Unlock()
	if was && s.count(target) == 0 {
		s.hub.Unsubscribe(target)
	}
}
