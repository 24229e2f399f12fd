package redis

import (
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goredis.SetLogger(&logging.VoidLogger{}) // the clients of tests whose Redis is down tell that at length
	goleak.VerifyTestMain(m)
}
