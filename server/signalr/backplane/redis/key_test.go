package redis

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

func TestAllServersGetTheSameClusterKey(t *testing.T) {
	mini := miniredis.RunT(t)
	options := Options{Redis: &goredis.Options{Addr: mini.Addr(), DB: 3}, ChannelPrefix: "App_"}
	keys := make(chan []byte, 10)
	for range cap(keys) {
		go func() {
			key, err := ClusterKey(testContext(t), options)
			if err != nil {
				t.Error(err)
			}
			keys <- key
		}()
	}
	first := receiveFrom(t, "key", keys)
	for range cap(keys) - 1 {
		if key := receiveFrom(t, "key", keys); !bytes.Equal(key, first) {
			t.Errorf("two keys: %d and %d bytes", len(first), len(key))
		}
	}
	stored, err := mini.DB(3).Get("App_chatcluster:cluster-key")
	if err != nil || stored != string(first) || len(first) != 32 || bytes.Equal(first, make([]byte, 32)) {
		t.Errorf("%d bytes are stored, %v", len(stored), err)
	}
	if ttl := mini.DB(3).TTL("App_chatcluster:cluster-key"); ttl != 0 {
		t.Errorf("the key expires after %s", ttl)
	}
	options.ChannelPrefix = "Other_"
	if other, err := ClusterKey(testContext(t), options); err != nil || bytes.Equal(other, first) {
		t.Errorf("another prefix has the same key, %v", err)
	}
}

func TestClusterKeyWaitsForRedis(t *testing.T) {
	redis := redistest.Start(t)
	redis.Kill()
	var log logBuffer
	options := Options{Redis: &goredis.Options{Addr: redis.Address}, Logger: log.logger()}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	ask := func(ctx context.Context) {
		_, err := ClusterKey(ctx, options)
		done <- err
	}
	go ask(ctx)
	eventually(t, "it tries", func() bool { return log.lines() == 1 })
	cancel()
	if err := receiveFrom(t, "error", done); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v", err)
	}
	if log.lines() != 1 {
		t.Errorf("%d log lines:\n%s", log.lines(), &log)
	}
	go ask(testContext(t))
	eventually(t, "it tries", func() bool { return log.lines() == 2 })
	redis.Start(t)
	if err := receiveFrom(t, "key", done); err != nil {
		t.Error(err)
	}
}

func TestForeignClusterKeyIsRefused(t *testing.T) {
	mini := miniredis.RunT(t)
	options := Options{Redis: &goredis.Options{Addr: mini.Addr()}}
	if err := mini.Set(clusterKeyName, "short"); err != nil {
		t.Fatal(err)
	}
	if _, err := ClusterKey(testContext(t), options); !errors.Is(err, ErrBadClusterKey) || !strings.Contains(err.Error(), "has 5 bytes, not 32") {
		t.Errorf("short key: %v", err)
	}
	mini.Del(clusterKeyName)
	if _, err := mini.Lpush(clusterKeyName, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := ClusterKey(testContext(t), options); !errors.Is(err, ErrBadClusterKey) || !strings.Contains(err.Error(), "not a string") {
		t.Errorf("a list: %v", err)
	}
}

func TestForgottenClusterKeyIsRestored(t *testing.T) {
	mini := miniredis.RunT(t)
	options := Options{Redis: &goredis.Options{Addr: mini.Addr()}}
	key, err := ClusterKey(testContext(t), options)
	if err != nil {
		t.Fatal(err)
	}
	mini.FlushAll()
	for range 2 {
		if err := RestoreClusterKey(testContext(t), options, key); err != nil {
			t.Error(err)
		}
	}
	if again, err := ClusterKey(testContext(t), options); err != nil || !bytes.Equal(again, key) {
		t.Errorf("a later server got another key, %v", err)
	}
	if err := RestoreClusterKey(testContext(t), options, make([]byte, 32)); !errors.Is(err, ErrBadClusterKey) {
		t.Errorf("another key: %v", err)
	}
	if err := RestoreClusterKey(testContext(t), options, key[:5]); !errors.Is(err, ErrBadClusterKey) {
		t.Errorf("half a key: %v", err)
	}
}
