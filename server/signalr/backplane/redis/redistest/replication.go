package redistest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

var errNotYet = errors.New("not yet")

// replication asks Redis for a field of its INFO replication.
func replication(t testing.TB, client *goredis.Client, field string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	info := client.InfoMap(ctx, "replication")
	return info.Item("Replication", field), info.Err()
}

// linked tells whether a replica is connected to its master and has its data.
func linked(t testing.TB, client *goredis.Client) error {
	t.Helper()
	status, err := replication(t, client, "master_link_status")
	if err == nil && status != "up" {
		err = fmt.Errorf("%w: link is %s", errNotYet, quote(status))
	}
	return err
}
