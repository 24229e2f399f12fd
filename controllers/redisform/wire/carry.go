package wire

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/controllers/redisform"
)

// CarryAll carries out all steps in their order, and returns the errors of those that failed.
func (h *Hands) CarryAll(ctx context.Context, facts redisform.Facts, wanted redisform.Wanted, steps []redisform.Step) error {
	failures := make([]error, len(steps))
	for i, step := range steps {
		failures[i] = h.Carry(ctx, facts, wanted, step)
	}
	return errors.Join(failures...)
}

var errUnknown = errors.New("there is no such member")

// Carry carries out one step that was decided from the facts. Where a member is another than the step was decided for,
// it fails and changes nothing.
func (h *Hands) Carry(ctx context.Context, facts redisform.Facts, wanted redisform.Wanted, step redisform.Step) error {
	j := job{hands: h, facts: facts, wanted: wanted, step: step}
	do := j.doer()
	if do == nil {
		return fmt.Errorf("%s: %w", step, errors.ErrUnsupported)
	}
	member, ok := j.member(step.Member)
	if !ok {
		return fmt.Errorf("%s: %w", step, errUnknown)
	}
	limit := h.timeout()
	if step.Action == redisform.Switch || step.Action == redisform.TakeOver {
		limit += switchLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := h.with(ctx, member, func(l *line) error { return do(ctx, l) }); err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	return nil
}

// job is a step that is carried out.
type job struct {
	hands  *Hands
	facts  redisform.Facts
	wanted redisform.Wanted
	step   redisform.Step
}

func (j job) doer() func(context.Context, *line) error {
	doers := map[redisform.Action]func(context.Context, *line) error{
		redisform.Promote:   j.promote,
		redisform.Follow:    j.follow,
		redisform.Elect:     j.elect,
		redisform.Watch:     j.watch,
		redisform.Unwatch:   j.unwatch,
		redisform.Tune:      j.tune,
		redisform.Refresh:   j.refresh,
		redisform.FailOver:  j.failOver,
		redisform.Switch:    j.switchOver,
		redisform.Meet:      j.meet,
		redisform.Number:    j.number,
		redisform.Assign:    j.assign,
		redisform.Replicate: j.replicate,
		redisform.Forget:    j.forget,
		redisform.TakeOver:  j.takeOver,
		redisform.Set:       j.set,
		redisform.Admit:     j.admit,
		redisform.Dismiss:   j.dismiss,
		redisform.Identify:  j.identify,
		redisform.Certify:   j.certify,
	}
	return doers[j.step.Action]
}

func (j job) member(name string) (redisform.Member, bool) {
	for _, server := range j.facts.Servers {
		if server.Name == name {
			return server.Member, true
		}
	}
	for _, sentinel := range j.facts.Sentinels {
		if sentinel.Name == name {
			return sentinel.Member, true
		}
	}
	return redisform.Member{}, false
}

func (j job) target() (redisform.Member, error) {
	target, ok := j.member(j.step.Target)
	if !ok {
		return target, errUnknown
	}
	return target, nil
}

var errChanged = errors.New("it has changed meanwhile")

// promote makes sure first that the server is still the run that was chosen, and follows nobody who leads it.
func (j job) promote(ctx context.Context, l *line) error {
	info, err := l.Info(ctx).Result()
	if err != nil {
		return err
	}
	var now redisform.Server
	readInfo(info, &now)
	for _, server := range j.facts.Servers {
		if server.Name == l.member.Name && (server.RunID != now.RunID || now.Loading || now.LinkUp) {
			return errChanged
		}
	}
	return l.Do(ctx, "REPLICAOF", "NO", "ONE").Err()
}

func (j job) follow(ctx context.Context, l *line) error {
	target, err := j.target()
	if err != nil {
		return err
	}
	return l.Do(ctx, "REPLICAOF", target.Host, target.Port).Err()
}

func (j job) elect(ctx context.Context, l *line) error {
	return l.ConfigSet(ctx, "replica-priority", j.step.Value).Err()
}

func (j job) watch(ctx context.Context, l *line) error {
	target, err := j.target()
	if err != nil {
		return err
	}
	if err := l.Do(ctx, "SENTINEL", "MONITOR", j.step.Name, target.Host, target.Port, j.step.Quorum).Err(); err != nil {
		return err
	}
	timing := j.wanted.Timing
	options := append(j.hands.credentials(), "parallel-syncs", 1,
		"down-after-milliseconds", positive(timing.DownAfter, redisform.DefaultDownAfter).Milliseconds(),
		"failover-timeout", positive(timing.FailoverTimeout, redisform.DefaultFailoverTimeout).Milliseconds())
	return l.Do(ctx, append([]any{"SENTINEL", "SET", j.step.Name}, options...)...).Err()
}

func positive[N ~int64](value, otherwise N) N {
	if value > 0 {
		return value
	}
	return otherwise
}

// credentials are the options of a Sentinel for its logins to servers.
func (h *Hands) credentials() []any {
	if len(h.Internal.Passwords) == 0 {
		return nil
	}
	return []any{"auth-user", h.Internal.User, "auth-pass", h.Internal.Passwords[0]}
}

func (j job) unwatch(ctx context.Context, l *line) error {
	return l.Do(ctx, "SENTINEL", "REMOVE", j.step.Name).Err()
}

func (j job) tune(ctx context.Context, l *line) error {
	return l.Do(ctx, "SENTINEL", "SET", j.step.Name, j.step.Key, j.step.Value).Err()
}

func (j job) refresh(ctx context.Context, l *line) error {
	return l.Do(ctx, "SENTINEL", "RESET", j.step.Name).Err()
}

func (j job) failOver(ctx context.Context, l *line) error {
	target, err := j.target()
	if err != nil {
		return err
	}
	return failOver(ctx, l, j.step.Name, target)
}

// failOver makes a Sentinel replace a primary, if that is still the one that it watches.
func failOver(ctx context.Context, sentinel *line, name string, primary redisform.Member) error {
	now, err := watched(ctx, sentinel, name)
	if err != nil {
		return err
	}
	if now != primary.Endpoint() {
		return errChanged
	}
	err = sentinel.Do(ctx, "SENTINEL", "FAILOVER", name).Err()
	if redis.HasErrorPrefix(err, "INPROG") {
		return nil
	}
	return err
}

// watched is the primary of a Sentinel.
func watched(ctx context.Context, sentinel *line, name string) (string, error) {
	address, err := sentinel.Do(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", name).StringSlice()
	if err != nil || len(address) != 2 {
		return "", fmt.Errorf("ask %s for the primary: %w", sentinel.member.Name, err)
	}
	return net.JoinHostPort(address[0], address[1]), nil
}

func (j job) set(ctx context.Context, l *line) error {
	return l.ConfigSet(ctx, j.step.Key, j.step.Value).Err()
}

func (j job) admit(ctx context.Context, l *line) error { return j.setPasswords(ctx, l) }

func (j job) dismiss(ctx context.Context, l *line) error { return j.setPasswords(ctx, l, "resetpass") }

// setPasswords tells digests: a password is not sent to where it is to be known.
func (j job) setPasswords(ctx context.Context, l *line, first ...any) error {
	passwords := j.hands.Users[j.step.User]
	if len(passwords) == 0 {
		return fmt.Errorf("%w: no password of %s is known", errUnknown, j.step.User)
	}
	command := append([]any{"ACL", "SETUSER", j.step.User}, first...)
	for _, password := range passwords {
		command = append(command, "#"+redisform.Digest(password))
	}
	return l.Do(ctx, command...).Err()
}

func (j job) identify(ctx context.Context, l *line) error {
	if len(j.hands.Internal.Passwords) == 0 {
		return fmt.Errorf("%w: no password is known", errUnknown)
	}
	user, password := j.hands.Internal.User, j.hands.Internal.Passwords[0]
	if l.member.Kind == redisform.ServerKind {
		return l.Do(ctx, "CONFIG", "SET", "masteruser", user, "masterauth", password).Err()
	}
	for _, sentinel := range j.facts.Sentinels {
		if sentinel.Name != l.member.Name {
			continue
		}
		for _, monitor := range sentinel.Monitors {
			if err := l.Do(ctx, append([]any{"SENTINEL", "SET", monitor.Name}, j.hands.credentials()...)...).Err(); err != nil {
				return err
			}
		}
		for _, option := range [][2]string{{"sentinel-user", user}, {"sentinel-pass", password}} {
			if err := l.Do(ctx, "SENTINEL", "CONFIG", "SET", option[0], option[1]).Err(); err != nil {
				return err
			}
		}
		j.hands.Told.set(sentinel.RunID, redisform.Digest(password))
	}
	return nil
}

func (j job) certify(ctx context.Context, l *line) error { return ReadCertificate(ctx, l.Client) }

// ReadCertificate makes a server read the files of its certificate again: setting their names does, also to what they are.
func ReadCertificate(ctx context.Context, server *redis.Client) error {
	files, err := server.ConfigGet(ctx, "tls-*-file").Result()
	if err != nil {
		return err
	}
	command := []any{"CONFIG", "SET"}
	for _, key := range []string{"tls-cert-file", "tls-key-file", "tls-ca-cert-file"} {
		if files[key] != "" {
			command = append(command, key, files[key])
		}
	}
	if len(command) == 2 {
		return fmt.Errorf("%w: it has no certificate", errChanged)
	}
	return server.Do(ctx, command...).Err()
}
