package config

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
)

// redisConnection is a connection string of StackExchange.Redis or a Redis URL; empty means that there is no Redis.
func redisConnection(target *string) Value {
	check := func(text string) error {
		if text == "" {
			return nil
		}
		_, err := redis.ParseConnectionString(text)
		if err == nil {
			return nil
		}
		if reason := errors.Unwrap(err); reason != nil {
			err = reason
		}
		return fmt.Errorf("cannot be used: %w", err)
	}
	return Text(target, check).As("connection string")
}

// maskConnection hides the password in a connection string.
func maskConnection(text string) string {
	connection, err := redis.ParseConnectionString(text)
	if err != nil {
		return masked
	}
	return connection.String()
}

// encrypted tells whether a connection string asks for TLS.
func encrypted(text string) bool {
	connection, err := redis.ParseConnectionString(text)
	return err == nil && connection.TLS
}

// database is the number of a Redis database; empty means that none is given.
func database(target **int) Value {
	parse := func(text string) (*int, error) {
		var number int
		if text == "" {
			return nil, nil
		}
		err := Count(&number, 0, 1_000_000).Set(text)
		return &number, err
	}
	return bind(target, "number", parse, func(number *int) string {
		if number == nil {
			return ""
		}
		return strconv.Itoa(*number)
	})
}

// clusterKey is a secret that servers share.
func clusterKey(target *string) Value {
	check := func(text string) error {
		if text != "" && len(text) < cluster.MinimumKeySize {
			return fmt.Errorf("is too short; allowed are %d bytes or more, all of them random", cluster.MinimumKeySize)
		}
		return nil
	}
	return Text(target, check).As("secret")
}
