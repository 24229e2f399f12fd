package host

import (
	"errors"
	"reflect"
	"sync/atomic"

	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
)

// credentials are the name and password for Redis. Each login asks for them, so that a new password is used from the
// next connection on; Redis lets connections that have logged in stay.
type credentials struct {
	now atomic.Pointer[login]
}

type login struct{ user, password string }

func (c *credentials) set(connection redis.ConnectionString) {
	c.now.Store(&login{user: connection.User, password: connection.Password})
}

// provide is what the Redis client asks.
func (c *credentials) provide() (user, password string) {
	now := c.now.Load()
	return now.user, now.password
}

// errOtherRedis is about a connection string that has changed in its file in more than name and password.
var errOtherRedis = errors.New("it names another Redis, or other settings, than the server started with; restart the server to use it")

// replace takes over the login of changed values; what else a connection string says cannot change while the server runs.
func (c *credentials) replace(started redis.ConnectionString, connection, password string) error {
	changed, err := parseConnection(connection, password)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(withoutLogin(changed), withoutLogin(started)) {
		return errOtherRedis
	}
	c.set(changed)
	return nil
}

func withoutLogin(connection redis.ConnectionString) redis.ConnectionString {
	connection.User, connection.Password = "", ""
	return connection
}

func parseConnection(text, password string) (redis.ConnectionString, error) {
	connection, err := redis.ParseConnectionString(text)
	if err != nil {
		return connection, config.Problem("RedisConnection", "%v", err)
	}
	if password != "" {
		connection.Password = password
	}
	return connection, nil
}
