package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// facts are what a Redis server tells of itself.
type facts struct {
	// history names the run of the server and its line of replication. Under the same history nothing that was accepted
	// is forgotten. Empty when the user may not ask.
	history string
	// waitsForDisk: it knows WAITAOF.
	waitsForDisk bool
	// appendOnly: it writes an append-only file; everyWrite: and answers only when that is on disk.
	appendOnly, everyWrite bool
	// replicas are connected now; hadReplicas: this process has seen some, here or at a former primary.
	replicas    int
	hadReplicas bool
}

var (
	errLoading = errors.New("it is loading its data")
	errReplica = errors.New("it is a replica, not the primary")
)

// learn asks Redis for its facts. A user who may not ask gets none, which is treated with the greatest care.
func learn(ctx context.Context, client *goredis.Client) (facts, error) {
	text, err := client.Info(ctx).Result()
	if goredis.HasErrorPrefix(err, "NOPERM") {
		return facts{}, nil
	}
	if err != nil {
		return facts{}, fmt.Errorf("ask Redis what it is: %w", err)
	}
	found, err := parseFacts(text)
	if err != nil {
		return facts{}, err
	}
	if found.appendOnly {
		setting, err := client.ConfigGet(ctx, "appendfsync").Result()
		if err != nil && !isRefusal(err) {
			return facts{}, fmt.Errorf("ask Redis when it writes: %w", err)
		}
		found.everyWrite = setting["appendfsync"] == "always"
	}
	return found, nil
}

// parseFacts reads the answer to INFO. It fails for a server that cannot be written to.
func parseFacts(info string) (facts, error) {
	fields := infoFields(info)
	if fields["loading"] == "1" {
		return facts{}, errLoading
	}
	if fields["role"] == "slave" {
		return facts{}, errReplica
	}
	found := facts{appendOnly: fields["aof_enabled"] == "1", waitsForDisk: atLeast(fields["redis_version"], 7, 2)}
	found.replicas, _ = strconv.Atoi(fields["connected_slaves"])
	if run, line := fields["run_id"], fields["master_replid"]; run != "" && line != "" {
		found.history = run + " " + line
	}
	return found, nil
}

func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	first, _ := strconv.Atoi(parts[0])
	second, _ := strconv.Atoi(parts[1])
	return first > major || first == major && second >= minor
}

// proof is what must be shown before an accepted entry counts as safe. The zero value asks for nothing.
type proof struct {
	replica bool
	disk    bool
	// hold is how long Redis may take to write what it has accepted where it cannot be asked.
	hold time.Duration
}

const (
	// fsyncHold covers appendfsync everysec, which may be two seconds late.
	fsyncHold = 5 * time.Second
	// orphanHold is for a primary that had replicas and has none now. It may be cut off from them, and what it accepts
	// is forgotten when one of them takes its place.
	orphanHold = time.Minute
)

func proofFor(safety Safety, found facts) proof {
	disk := proof{disk: found.waitsForDisk && found.appendOnly}
	if !disk.disk && !found.everyWrite {
		disk.hold = fsyncHold
	}
	switch safety {
	case SafetyReply:
		return proof{}
	case SafetyReplica:
		return proof{replica: true}
	case SafetyDisk:
		return disk
	default:
		switch {
		case found.replicas > 0:
			disk.replica = true
			if !found.appendOnly {
				disk.hold = 0
			}
		case found.hadReplicas:
			disk.hold = orphanHold
		}
		return disk
	}
}

const (
	// guardPause is the least time between two proofs: under load one proof does for many entries.
	guardPause = 20 * time.Millisecond
	// guardWait is how long Redis is asked to wait for a proof at a time.
	guardWait = time.Second
	// learnInterval is the time between two looks at what Redis has: replicas come and go.
	learnInterval = time.Second
)

var errOtherHistory = errors.New("it is another Redis than the one that was written to")

// guard finds out what is safe, over a connection of its own because WAIT blocks, until ctx ends. Without it nothing
// counts as safe: it tries until it has succeeded. When Redis turns out to have another history than the writer knows, it
// makes the writer connect anew: the first replica of a primary changes it, and so does being replica in between.
func (w *streamWriter) guard(ctx context.Context, found facts, reconnect func()) {
	if w.options.StreamSafety == SafetyReply {
		w.guardByTime(ctx, 0)
		return
	}
	var retry retry
	for ctx.Err() == nil {
		var now facts
		opened, err := w.connector.openAndLogIn(ctx, w.keys.slot(), func(ctx context.Context, s *session) (err error) {
			now, err = learn(ctx, s.client)
			return err
		})
		if err == nil {
			err = errOtherHistory
			if now.history == found.history {
				err = w.guardOver(ctx, opened, w.recall(now))
			}
			opened.close()
		}
		if errors.Is(err, errOtherHistory) {
			reconnect()
			return
		}
		if ctx.Err() == nil {
			w.logger.Debug("lost the connection that asks what is safe", "error", err)
			retry.wait(ctx)
		}
	}
}

// guardOver asks over one connection until it breaks or ctx ends.
func (w *streamWriter) guardOver(ctx context.Context, opened *session, found facts) error {
	stop := context.AfterFunc(ctx, opened.abort)
	defer stop()
	ticker := time.NewTicker(w.options.HealthCheckInterval)
	defer ticker.Stop()
	learned := time.Now()
	for {
		if err := w.prove(ctx, opened.client, found); err != nil {
			return err
		}
		if w.unsafe() == 0 {
			select {
			case <-w.accepted:
			case <-ticker.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := pause(ctx, guardPause); err != nil {
			return err
		}
		if time.Since(learned) < learnInterval {
			continue
		}
		now, err := learn(ctx, opened.client)
		if err != nil {
			return err
		}
		if now.history != found.history {
			return errOtherHistory
		}
		found, learned = w.recall(now), time.Now()
	}
}

// recall adds to what Redis says now what it said before.
func (w *streamWriter) recall(found facts) facts {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.hadReplicas = w.hadReplicas || found.replicas > 0
	found.hadReplicas = w.hadReplicas
	return found
}

// prove drops what can be shown to be safe now.
func (w *streamWriter) prove(ctx context.Context, client *goredis.Client, found facts) error {
	turn, needed := w.lastAccepted(), proofFor(w.options.StreamSafety, found)
	if turn == 0 {
		return nil
	}
	if needed.replica || needed.disk {
		// WAIT counts from the last write of its own connection: this is one, behind all that was accepted before.
		if err := client.Set(ctx, w.keys.prefix+"{"+w.keys.prefix+"chatcluster}:guard:"+w.name, turn, time.Minute).Err(); err != nil {
			return fmt.Errorf("write a mark: %w", err)
		}
	}
	if needed.replica {
		replicas, err := client.Wait(ctx, 1, guardWait).Result()
		if err != nil || replicas < 1 {
			return err
		}
	}
	if needed.disk {
		disks, err := client.WaitAOF(ctx, 1, 0, guardWait).Result()
		if err != nil || len(disks) == 0 || disks[0] < 1 {
			return err
		}
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.history != found.history {
		return errOtherHistory
	}
	if needed.hold > 0 {
		w.outbox.SafeBefore(time.Now().Add(-needed.hold))
	} else {
		w.outbox.Safe(turn)
	}
	return nil
}

// guardByTime takes entries for safe that were accepted so long ago.
func (w *streamWriter) guardByTime(ctx context.Context, hold time.Duration) {
	for ctx.Err() == nil {
		w.mutex.Lock()
		w.outbox.SafeBefore(time.Now().Add(-hold))
		w.mutex.Unlock()
		select {
		case <-w.accepted:
		case <-ctx.Done():
		}
		_ = pause(ctx, guardPause)
	}
}

func (w *streamWriter) lastAccepted() (turn uint64) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.outbox.Accepted()
}

func (w *streamWriter) unsafe() int {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	unsafe, _ := w.outbox.Kept()
	return unsafe
}

// pause waits for a while, or until ctx ends.
func pause(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
