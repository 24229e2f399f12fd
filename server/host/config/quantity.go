package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time from least to most, both allowed.
func Duration(target *time.Duration, least, most time.Duration) Value {
	parse := func(text string) (time.Duration, error) {
		duration, ok := parseDuration(text)
		if !ok || duration < least || duration > most {
			return 0, fmt.Errorf("is not allowed; allowed is a duration from %s to %s, written 15s, 1m30s, 00:00:15 or in seconds",
				formatDuration(least), formatDuration(most))
		}
		return duration, nil
	}
	return bind(target, "duration", parse, formatDuration)
}

// timeSpan is the constant form of .NET's TimeSpan, [d.]hh:mm:ss[.fffffff]. Its forms with fewer parts are not
// understood: whether 01:30 means minutes or hours is anybody's guess.
var timeSpan = regexp.MustCompile(`^(?:(\d{1,5})\.)?(\d{1,2}):(\d{2}):(\d{2}(?:\.\d{1,7})?)$`)

// parseDuration understands Go's notation, .NET's, and bare seconds.
func parseDuration(text string) (time.Duration, bool) {
	if parts := timeSpan.FindStringSubmatch(text); parts != nil {
		return parseTimeSpan(parts[1], parts[2], parts[3], parts[4])
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return secondsDuration(seconds)
	}
	duration, err := time.ParseDuration(text)
	return duration, err == nil
}

func parseTimeSpan(days, hours, minutes, seconds string) (time.Duration, bool) {
	d, _ := strconv.Atoi("0" + days)
	h, _ := strconv.Atoi(hours)
	m, _ := strconv.Atoi(minutes)
	s, _ := strconv.ParseFloat(seconds, 64)
	if h > 23 || m > 59 || s >= 60 {
		return 0, false
	}
	return secondsDuration(float64(d)*86400 + float64(h)*3600 + float64(m)*60 + s)
}

// secondsDuration refuses what a duration cannot hold: converting it would give an arbitrary one.
func secondsDuration(seconds float64) (time.Duration, bool) {
	if math.IsNaN(seconds) || math.Abs(seconds) > float64(math.MaxInt64/int64(time.Second)) {
		return 0, false
	}
	return time.Duration(math.Round(seconds * float64(time.Second))), true
}

// formatDuration is Go's notation without the zeros at its end: 24h, not 24h0m0s.
func formatDuration(duration time.Duration) string {
	text := duration.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Size is a number of bytes from least to most, both allowed.
func Size(target *int64, least, most int64) Value {
	parse := func(text string) (int64, error) {
		size, ok := parseSize(text)
		if !ok || size < least || size > most {
			return 0, fmt.Errorf("is not allowed; allowed is a size from %s to %s, in bytes or written 32KiB, 1MiB",
				formatSize(least), formatSize(most))
		}
		return size, nil
	}
	return bind(target, "bytes", parse, formatSize)
}

// sizeUnits are powers of two only: what KB means depends on whom one asks.
var sizeUnits = [...]struct {
	names []string
	shift int
}{{[]string{"GiB", "Gi"}, 30}, {[]string{"MiB", "Mi"}, 20}, {[]string{"KiB", "Ki"}, 10}, {[]string{"B", ""}, 0}}

func parseSize(text string) (int64, bool) {
	for _, unit := range sizeUnits {
		for _, name := range unit.names {
			digits, found := cutSuffixFold(text, name)
			if !found {
				continue
			}
			number, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			if err != nil || number < 0 || number > math.MaxInt64>>unit.shift {
				return 0, false
			}
			return number << unit.shift, true
		}
	}
	return 0, false
}

func cutSuffixFold(text, suffix string) (string, bool) {
	at := len(text) - len(suffix)
	if at < 0 || !strings.EqualFold(text[at:], suffix) {
		return text, false
	}
	return text[:at], true
}

func formatSize(size int64) string {
	for _, unit := range sizeUnits[:3] {
		if size != 0 && size%(1<<unit.shift) == 0 {
			return strconv.FormatInt(size>>unit.shift, 10) + unit.names[0]
		}
	}
	return strconv.FormatInt(size, 10)
}
