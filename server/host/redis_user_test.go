package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

// redisUsers are the rights that a hub server with the channel prefix App_ needs, as the README.md of the backplane has them.
func redisUsers() map[redis.Mode]string {
	const directory = "~App_chatcluster:* -@all +ping +info +time +get +set +del +exists +zadd +zrem +zrange +zremrangebyscore +pexpire +eval"
	return map[redis.Mode]string{
		redis.ModePubSub:  "resetchannels &App_* resetkeys " + directory + " +publish +subscribe +unsubscribe",
		redis.ModeSharded: "resetchannels &App_* resetkeys " + directory + " +spublish +ssubscribe +sunsubscribe",
		redis.ModeStreams: "resetchannels resetkeys ~App_{App_chatcluster}:* " + directory +
			" +multi +exec +@stream +wait +config|get",
	}
}

func TestRedisUserNeedsNoMoreThanTheREADMESays(t *testing.T) {
	for mode, rights := range redisUsers() {
		t.Run(string(mode), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "users.acl")
			users := "user default off\nuser app on >hunter2 " + rights + "\nuser admin on >admin ~* &* +@all\n"
			if err := os.WriteFile(file, []byte(users), 0o600); err != nil {
				t.Fatal(err)
			}
			s := &site{t: t, mode: mode, redis: redistest.Start(t, "--aclfile", file)}
			configure := func(c *config.Config) {
				c.RedisConnection = s.redis.Address + ",user=app,password=hunter2,channelPrefix=App_"
				c.Backplane.Mode = string(mode)
			}
			s.first, s.second = start(t, configure), start(t, configure)
			s.join()
			// A request that reaches another server than the owner.
			connect(t, s.first.address()+"/chatHub", s.second.address()+"/chatHub")
			if err := s.refused(); err != nil {
				t.Error(err)
			}
		})
	}
}

// refused returns what Redis has refused, except to be told which library calls.
func (s *site) refused() error {
	admin := s.redis.Client(s.t, goredis.Options{Username: "admin", Password: "admin"})
	entries, err := admin.Do(context.Background(), "ACL", "LOG").Slice()
	for _, entry := range entries {
		if text := fmt.Sprint(entry); !strings.Contains(text, "client|setinfo") {
			err = errors.Join(err, errors.New(text))
		}
	}
	return err
}

func TestREADMEHasTheRightsOfRedisUsers(t *testing.T) {
	readme, err := os.ReadFile("../signalr/backplane/README.md")
	if err != nil {
		t.Skipf("there is no README: %v", err)
	}
	for mode, rights := range redisUsers() {
		if !strings.Contains(string(readme), rights) {
			t.Errorf("%s: server/signalr/backplane/README.md does not say %s", mode, rights)
		}
	}
}
