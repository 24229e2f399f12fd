package wire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chatcluster/chatcluster/controllers/redisform"
)

const (
	// switchLimit bounds a planned fail-over; writes wait no longer than that.
	switchLimit = 15 * time.Second
	// catchUpLimit bounds how long replicas may take to get what is on its way.
	catchUpLimit = 3 * time.Second
	// electionLimit bounds how long a Sentinel may take.
	electionLimit = 8 * time.Second
	// poll is how often to look whether what was asked for has happened.
	poll = 20 * time.Millisecond
)

// switchOver makes a replica the primary without losing a write. Writes wait at the primary until all replicas have
// what was written: then it does not matter which one the Sentinel chooses. If anything goes wrong they go on there.
func (j job) switchOver(ctx context.Context, primary *line) error {
	member, err := j.target()
	if err != nil {
		return err
	}
	return j.hands.with(ctx, member, func(sentinel *line) error {
		if now, err := watched(ctx, sentinel, j.step.Name); err != nil || now != primary.member.Endpoint() {
			return errors.Join(errChanged, err)
		}
		if err := primary.Do(ctx, "CLIENT", "PAUSE", switchLimit.Milliseconds(), "WRITE").Err(); err != nil {
			return fmt.Errorf("let writes wait: %w", err)
		}
		// Also when ctx has ended: writes must not wait for nothing.
		defer func() { _ = primary.Do(context.WithoutCancel(ctx), "CLIENT", "UNPAUSE").Err() }()
		if err := j.catchUp(ctx, primary); err != nil {
			return err
		}
		if err := failOver(ctx, sentinel, j.step.Name, primary.member); err != nil {
			return err
		}
		successor, err := j.elected(ctx, sentinel, primary.member)
		if err != nil {
			return err
		}
		// Those that waited are told to go to the other one. A Sentinel would do so after ten seconds.
		return primary.Do(ctx, "REPLICAOF", successor.Host, successor.Port).Err()
	})
}

// catchUp waits until the replicas have all that the primary has.
func (j job) catchUp(ctx context.Context, primary *line) error {
	ctx, cancel := context.WithTimeout(ctx, catchUpLimit)
	defer cancel()
	state, err := stateOf(ctx, primary)
	if err != nil {
		return err
	}
	for _, server := range j.facts.Servers {
		if !server.LinkUp || server.Follows != primary.member.Endpoint() {
			continue
		}
		err := j.hands.with(ctx, server.Member, func(replica *line) error {
			return until(ctx, func() (bool, error) {
				now, err := stateOf(ctx, replica)
				return now.LinkUp && now.Offset >= state.Offset, err
			})
		})
		if err != nil {
			return fmt.Errorf("wait for the replicas: %w", err)
		}
	}
	return nil
}

func stateOf(ctx context.Context, l *line) (redisform.Server, error) {
	var state redisform.Server
	info, err := l.Info(ctx, "replication").Result()
	readInfo(info, &state)
	return state, err
}

// elected waits until the Sentinel watches another primary.
func (j job) elected(ctx context.Context, sentinel *line, before redisform.Member) (redisform.Member, error) {
	ctx, cancel := context.WithTimeout(ctx, electionLimit)
	defer cancel()
	var now string
	err := until(ctx, func() (done bool, err error) {
		now, err = watched(ctx, sentinel, j.step.Name)
		return now != before.Endpoint(), err
	})
	if err != nil {
		return redisform.Member{}, fmt.Errorf("wait for the election: %w", err)
	}
	for _, server := range j.facts.Servers {
		if server.Endpoint() == now {
			return server.Member, nil
		}
	}
	return redisform.Member{}, errUnknown
}

func until(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
