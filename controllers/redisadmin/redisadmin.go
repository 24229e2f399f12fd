// Package redisadmin tells the one Redis server of a ChatCluster which passwords are good and that it has another certificate, so
// that it need not be started again for it.
package redisadmin

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/redisform/wire"
)

// timeout bounds one call: a Redis that does not answer is told later.
const timeout = 5 * time.Second

// Teller tells the Redis of ChatClusters. It may be used by many at a time.
type Teller struct {
	// Address returns where the Redis of a ChatCluster is. Default: its Service.
	Address func(*v1alpha1.ChatCluster) string
}

// TellPasswords makes the given passwords the only ones of Redis. One of logins must be good already, the first ones are tried
// first. Connections that are open stay open. secure is nil without TLS.
func (t Teller) TellPasswords(
	ctx context.Context, cluster *v1alpha1.ChatCluster, secure *tls.Config, logins, passwords []string,
) error {
	command := append(make([]any, 0, 4+len(passwords)), "ACL", "SETUSER", "default", "resetpass")
	for _, password := range passwords {
		sum := sha256.Sum256([]byte(password))
		command = append(command, "#"+hex.EncodeToString(sum[:]))
	}
	tell := func(ctx context.Context, client *redis.Client) error { return client.Do(ctx, command...).Err() }
	if err := t.talk(ctx, cluster, secure, logins, tell); err != nil {
		return fmt.Errorf("tell Redis its passwords: %w", err)
	}
	return nil
}

// Certify makes Redis read its certificate again unless it shows the one with that digest (wire.CertificateDigest). It reports
// whether it did. Connections that are open stay open. It is for a Redis with TLS only.
func (t Teller) Certify(
	ctx context.Context, cluster *v1alpha1.ChatCluster, secure *tls.Config, logins []string, digest string,
) (bool, error) {
	var shown atomic.Bool // a connection that is given up may still be made when another one is
	verify := secure.VerifyConnection
	secure = secure.Clone()
	secure.VerifyConnection = func(state tls.ConnectionState) error {
		shown.Store(wire.CertificateDigest(state.PeerCertificates[0].Raw) == digest)
		if verify == nil {
			return nil
		}
		return verify(state)
	}
	err := t.talk(ctx, cluster, secure, logins, func(ctx context.Context, client *redis.Client) error {
		if err := client.Ping(ctx).Err(); err != nil || shown.Load() { // with the first command it connects
			return err
		}
		return wire.ReadCertificate(ctx, client)
	})
	if err != nil {
		return false, fmt.Errorf("tell Redis its certificate: %w", err)
	}
	return shown.Load(), nil
}

// talk logs in with the first of logins that is good.
func (t Teller) talk(
	ctx context.Context, cluster *v1alpha1.ChatCluster, secure *tls.Config, logins []string,
	say func(context.Context, *redis.Client) error,
) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var failures []error
	for _, password := range logins {
		err := t.talkAs(ctx, cluster, secure, password, say)
		if err == nil {
			return nil
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

func (t Teller) talkAs(
	ctx context.Context, cluster *v1alpha1.ChatCluster, secure *tls.Config, password string,
	say func(context.Context, *redis.Client) error,
) error {
	address := net.JoinHostPort(children.RedisName(cluster.Name)+"."+cluster.Namespace+".svc", strconv.Itoa(children.RedisPort))
	if t.Address != nil {
		address = t.Address(cluster)
	}
	client := redis.NewClient(&redis.Options{
		Addr: address, TLSConfig: secure, Password: password, MaxRetries: -1, DialerRetries: 1, PoolSize: 1,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, ContextTimeoutEnabled: true,
	})
	defer func() { _ = client.Close() }()
	return say(ctx, client)
}
