package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"
)

// clusterKeyName, behind the channel prefix, is the Redis key that holds the cluster key.
const clusterKeyName = "chatcluster:cluster-key"

// clusterKeySize is the length of a cluster key in bytes.
const clusterKeySize = 32

// ErrBadClusterKey says that the key in Redis was not put there by ClusterKey, or is a different one.
var ErrBadClusterKey = errors.New("bad cluster key")

// ClusterKey returns the 32 random bytes that all servers on one Redis share: the first that asks puts them there, the
// others read them. They lie at the key "chatcluster:cluster-key", with ChannelPrefix before it, in the database of
// Options.Redis, and never expire. ClusterKey tries until Redis can be reached or ctx ends; it fails at once with
// ErrBadClusterKey when something else lies there. Only Redis, ChannelPrefix, Logger and PublishTimeout of options count.
//
// Whoever can read the key can forge what servers sign with it, as whoever can publish on that Redis can write to every
// client. A Redis that forgets its data forgets the key: see RestoreClusterKey.
func ClusterKey(ctx context.Context, options Options) ([]byte, error) {
	fresh := make([]byte, clusterKeySize)
	// rand.Read never returns an error.
	_, _ = rand.Read(fresh)
	return agreeOnClusterKey(ctx, options, fresh)
}

// RestoreClusterKey puts key, which ClusterKey returned, back into a Redis that may have lost it. Servers call it when
// they have reconnected: those that start later then get the same key as those that run. It fails with ErrBadClusterKey
// when another key is there already; then this server and the newer ones do not accept each other's signatures.
func RestoreClusterKey(ctx context.Context, options Options, key []byte) error {
	if len(key) != clusterKeySize {
		return fmt.Errorf("restore the cluster key: %w: it has %d bytes, not %d", ErrBadClusterKey, len(key), clusterKeySize)
	}
	present, err := agreeOnClusterKey(ctx, options, key)
	if err != nil {
		return err
	}
	if string(present) != string(key) {
		return fmt.Errorf("restore the cluster key: %w: another server has put a different one there", ErrBadClusterKey)
	}
	return nil
}

func agreeOnClusterKey(ctx context.Context, options Options, proposal []byte) ([]byte, error) {
	options = options.withDefaults()
	connector := newConnector(options)
	var retry retry
	for failures := 0; ; failures++ {
		key, err := proposeClusterKey(ctx, connector, options.ChannelPrefix+clusterKeyName, proposal)
		if err == nil || errors.Is(err, ErrBadClusterKey) {
			return key, err
		}
		if failures == 0 {
			options.Logger.Warn("cannot get the cluster key from Redis, will keep trying",
				"address", connector.place.String(), "error", err)
		}
		if retry.wait(ctx); ctx.Err() != nil {
			return nil, fmt.Errorf("get the cluster key from Redis at %s (%w): %w",
				connector.place.String(), err, context.Cause(ctx))
		}
	}
}

// proposeClusterKey returns proposal, or the key that was there before.
func proposeClusterKey(ctx context.Context, connector connector, name string, proposal []byte) ([]byte, error) {
	var key []byte
	opened, err := connector.openAndLogIn(ctx, slotOf(name), func(ctx context.Context, s *session) error {
		_, err := s.client.SetArgs(ctx, name, proposal, goredis.SetArgs{Mode: "NX"}).Result()
		if err != nil && !errors.Is(err, goredis.Nil) {
			return fmt.Errorf("put the key: %w", err)
		}
		if key, err = s.client.Get(ctx, name).Bytes(); err != nil {
			return fmt.Errorf("read the key: %w", err)
		}
		return nil
	})
	switch {
	case goredis.HasErrorPrefix(err, "WRONGTYPE"):
		return nil, fmt.Errorf("%w: redis key %q is not a string; delete it or set another channel prefix", ErrBadClusterKey, name)
	case err != nil:
		return nil, err
	}
	opened.close()
	if len(key) != clusterKeySize {
		return nil, fmt.Errorf("%w: redis key %q has %d bytes, not %d; delete it or set another channel prefix",
			ErrBadClusterKey, name, len(key), clusterKeySize)
	}
	return key, nil
}
