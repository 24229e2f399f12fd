package config

import (
	"strconv"
	"strings"
)

// redisConnection is a connection string of StackExchange.Redis or a Redis URL.
func redisConnection(target *string) Value {
	return Text(target, nil).As("connection string")
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

// maskConnection hides the passwords in a connection string or URL.
func maskConnection(text string) string {
	if scheme, rest, found := strings.Cut(text, "://"); found {
		return scheme + "://" + maskUser(rest)
	}
	parts, hidden := strings.Split(text, ","), false
	for at, part := range parts {
		name, _, option := strings.Cut(part, "=")
		// What follows a password up to the next option may be the rest of a password with a comma.
		hidden = option && strings.Contains(strings.ToLower(name), "password") || hidden && !option
		switch {
		case hidden && option:
			parts[at] = name + "=" + masked
		case hidden:
			parts[at] = masked
		}
	}
	return strings.Join(parts, ",")
}

// maskUser hides the password of user:password@host and all that a query may hold.
func maskUser(rest string) string {
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, _, _ := strings.Cut(rest[:at], ":")
		rest = user + ":" + masked + rest[at:]
	}
	address, _, found := strings.Cut(rest, "?")
	if found {
		return address + "?" + masked
	}
	return rest
}
