// Package redisadmin tells a Redis that runs which passwords are good, so that none has to be started again for it.
package redisadmin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
)

// timeout bounds one call: a Redis that does not answer is told later.
const timeout = 5 * time.Second

// Teller tells the Redis of ChatClusters. It may be used by many at a time.
type Teller struct {
	// Address returns where the Redis of a ChatCluster is. Default: its Service.
	Address func(*v1alpha1.ChatCluster) string
	// Dial opens connections. Default: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// TellPasswords makes the given passwords the only ones of Redis. One of them must be good already, the first ones are tried
// first. Connections that are open stay open.
func (t Teller) TellPasswords(ctx context.Context, cluster *v1alpha1.ChatCluster, passwords []string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	command := append(make([]any, 0, 4+len(passwords)), "ACL", "SETUSER", "default", "resetpass")
	for _, password := range passwords {
		sum := sha256.Sum256([]byte(password))
		command = append(command, "#"+hex.EncodeToString(sum[:]))
	}
	var failures []error
	for _, password := range passwords {
		err := t.do(ctx, cluster, password, command)
		if err == nil {
			return nil
		}
		failures = append(failures, err)
	}
	return fmt.Errorf("tell Redis its passwords: %w", errors.Join(failures...))
}

func (t Teller) do(ctx context.Context, cluster *v1alpha1.ChatCluster, password string, command []any) error {
	address := net.JoinHostPort(children.RedisName(cluster.Name)+"."+cluster.Namespace+".svc", strconv.Itoa(children.RedisPort))
	if t.Address != nil {
		address = t.Address(cluster)
	}
	client := redis.NewClient(&redis.Options{
		Addr: address, Dialer: t.Dial, Password: password, MaxRetries: -1, PoolSize: 1, DialTimeout: timeout, ReadTimeout: timeout,
	})
	defer func() { _ = client.Close() }()
	return client.Do(ctx, command...).Err()
}
