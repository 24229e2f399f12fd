package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr"
)

// settings are what the environment says. A zero value of a hub's or an endpoint's option means its default.
type settings struct {
	redisConnection string
	channelPrefix   string
	origins         []string
	hub             signalr.HubOptions
	endpoint        signalr.EndpointOptions
	key             []byte
	level           slog.Level
}

// reader reads the environment. It remembers what is wrong, so that all of it is told at once.
type reader struct {
	lookUp   func(name string) string
	problems []error
}

// readSettings reads the environment through lookUp, which returns "" for what is not set.
func readSettings(lookUp func(name string) string) (settings, error) {
	r := &reader{lookUp: lookUp}
	s := settings{
		redisConnection: lookUp("REDIS_CONNECTION"),
		channelPrefix:   lookUp("CHANNEL_PREFIX"),
		origins:         strings.Split(r.text("CORS_ORIGINS", "http://localhost:4200"), ","),
		key:             []byte(r.text("JWT_KEY", "a key for tests only, of 32 bytes or more")),
		level:           r.level(),
	}
	s.hub = signalr.HubOptions{
		EnableDetailedErrors:                lookUp("DETAILED_ERRORS") == "true",
		HandshakeTimeout:                    r.seconds("HANDSHAKE_TIMEOUT"),
		KeepAliveInterval:                   r.seconds("KEEP_ALIVE_INTERVAL"),
		ClientTimeoutInterval:               r.seconds("CLIENT_TIMEOUT_INTERVAL"),
		MaximumReceiveMessageSize:           r.count("MAX_MESSAGE_SIZE", 1),
		MaximumParallelInvocationsPerClient: r.count("PARALLEL_INVOCATIONS", 1),
	}
	s.endpoint = signalr.EndpointOptions{
		PollTimeout:             r.seconds("POLL_TIMEOUT"),
		MinimumProtocolVersion:  r.count("MINIMUM_PROTOCOL_VERSION", 0),
		AllowStatefulReconnects: lookUp("STATEFUL_RECONNECT") != "false",
	}
	return s, errors.Join(r.problems...)
}

func (r *reader) text(name, standard string) string {
	if text := r.lookUp(name); text != "" {
		return text
	}
	return standard
}

// seconds reads a positive number of seconds, 0 if it is not set.
func (r *reader) seconds(name string) time.Duration {
	text := r.lookUp(name)
	if text == "" {
		return 0
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || !(number > 0) || number > math.MaxInt32 {
		r.refuse(name, text, "a positive number of seconds")
		return 0
	}
	return time.Duration(number * float64(time.Second))
}

// count reads a whole number, 0 if it is not set.
func (r *reader) count(name string, least int) int {
	text := r.lookUp(name)
	if text == "" {
		return 0
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < least {
		r.refuse(name, text, fmt.Sprintf("a whole number from %d up", least))
		return 0
	}
	return number
}

// level reads a log level as .NET names it.
func (r *reader) level() slog.Level {
	text := r.text("LOG_LEVEL", "Warning")
	levels := map[string]slog.Level{
		"trace": slog.LevelDebug, "debug": slog.LevelDebug, "information": slog.LevelInfo, "warning": slog.LevelWarn,
		"error": slog.LevelError, "critical": slog.LevelError + 4, "none": slog.LevelError + 8,
	}
	level, known := levels[strings.ToLower(text)]
	if !known {
		r.refuse("LOG_LEVEL", text, "Trace, Debug, Information, Warning, Error, Critical or None")
	}
	return level
}

func (r *reader) refuse(name, text, allowed string) {
	r.problems = append(r.problems, fmt.Errorf("%s is %q: allowed is %s", name, text, allowed))
}
