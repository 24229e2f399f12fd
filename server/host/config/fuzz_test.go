package config

import (
	"strings"
	"testing"
)

// Whatever a file or a variable holds, loading ends with a configuration or with one line.
func FuzzLoad(f *testing.F) {
	f.Add("KeepAliveInterval", "15s", "KeepAliveInterval: 15s")
	f.Add("RedisConnection", "redis:6379,password=p", `{"SignalR": {"HandshakeTimeout": "00:00:15"}}`)
	f.Add("Urls", "http://*:80;https://[::1]", "corsOrigins: [https://a.example]")
	f.Add("TrustedProxies", "10.0.0.0/8,::1", "a: {b: {c: [1, 2]}}")
	f.Add("MaximumReceiveMessageSize", "1MiB", "\xEF\xBB\xBF{}")
	f.Fuzz(func(t *testing.T, key, value, file string) {
		_, _, err := load([]string{"--" + key + "=" + value}, []string{key + "=" + value}, file)
		if err != nil && strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("more than one line: %q", err)
		}
	})
}
