package config

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
)

// levels are the names that are understood; those of .NET follow the one that means the same here.
var levels = [...]struct {
	names []string
	level slog.Level
}{
	{[]string{"debug", "trace"}, slog.LevelDebug},
	{[]string{"info", "information"}, slog.LevelInfo},
	{[]string{"warn", "warning"}, slog.LevelWarn},
	{[]string{"error", "critical"}, slog.LevelError},
	{[]string{"none"}, levelNone},
}

// levelNone is above every level that is logged.
const levelNone = slog.Level(100)

// level is a log level.
func level(target *slog.Level) Value {
	return bind(target, "debug, info, warn, error, none", parseLevel, func(level slog.Level) string {
		for _, known := range levels {
			if known.level == level {
				return known.names[0]
			}
		}
		return level.String()
	})
}

func parseLevel(text string) (slog.Level, error) {
	for _, known := range levels {
		if slices.Contains(known.names, strings.ToLower(text)) {
			return known.level, nil
		}
	}
	return 0, errors.New("is unknown; allowed are debug, info, warn, error, none")
}
