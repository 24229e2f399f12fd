package config

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// secret stands for what no output may show.
const secret = "hunter2"

var update = flag.Bool("update", false, "write the golden files anew")

func samePrefixes(a, b netip.Prefix) bool { return a == b }

// golden compares text with a file in testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-update writes it anew):\n%s", name, diff)
	}
}

// mistake is an input that must be refused with one line.
type mistake struct {
	args    []string
	environ []string
	file    string
}

func (m mistake) String() string {
	text := strings.Join(append(slices.Clone(m.environ), m.args...), " ")
	if m.file != "" {
		text += fmt.Sprintf("hub.yaml: %q", m.file)
	}
	return text
}

func ofArgs(args ...string) mistake       { return mistake{args: args} }
func ofEnviron(environ ...string) mistake { return mistake{environ: environ} }
func ofFile(file string) mistake          { return mistake{file: file} }

func mistakes() []mistake {
	return []mistake{
		// durations
		ofArgs("--keep-alive-interval=15x"),
		ofArgs("--keep-alive-interval="),
		ofArgs("--keep-alive-interval=0"),
		ofArgs("--keep-alive-interval=-5s"),
		ofArgs("--keep-alive-interval=25h"),
		ofArgs("--keep-alive-interval=1e300"),
		ofArgs("--keep-alive-interval=NaN"),
		ofArgs("--keep-alive-interval=Inf"),
		ofArgs("--keep-alive-interval=00:15"),
		ofArgs("--keep-alive-interval=24:00:00"),
		ofArgs("--keep-alive-interval=00:60:00"),
		ofArgs("--keep-alive-interval=00:00:60"),
		ofArgs("--keep-alive-interval=99999.00:00:00"),
		ofArgs("--handshake-timeout=1,5"),
		ofEnviron("ClientTimeoutInterval=never"),
		ofArgs("--transport-send-timeout=Infinite"),
		ofArgs("--long-polling-poll-timeout=1d"),
		ofArgs("--shutdown-timeout=soon"),
		// sizes
		ofArgs("--maximum-receive-message-size=32KB"),
		ofArgs("--maximum-receive-message-size=63"),
		ofArgs("--maximum-receive-message-size=2GiB"),
		ofArgs("--maximum-receive-message-size=-1"),
		ofArgs("--maximum-receive-message-size=99999999999999999999"),
		ofArgs("--maximum-receive-message-size=9223372036854775807GiB"),
		ofArgs("--maximum-receive-message-size=KiB"),
		ofFile("MaximumReceiveMessageSize: null"),
		ofArgs("--outbound-buffer-size=1.5MiB"),
		ofArgs("--stateful-reconnect-buffer-size=10"),
		// counts
		ofArgs("--maximum-parallel-invocations-per-client=0"),
		ofArgs("--stream-buffer-capacity=ten"),
		ofArgs("--redis-default-database=-1"),
		ofArgs("--redis-default-database=x"),
		// switches
		ofEnviron("EnableDetailedErrors=maybe"),
		ofArgs("--enable-detailed-errors", "false"),
		ofFile("AllowStatefulReconnects: 2"),
		// choices
		ofArgs("--transports=WebSocket"),
		ofArgs("--transports="),
		ofArgs("--log-level=loud"),
		ofArgs("--log-format=xml"),
		// addresses
		ofArgs("--urls="),
		ofArgs("--urls=localhost:5000"),
		ofArgs("--urls=ftp://localhost:5000"),
		ofArgs("--urls=http://localhost:65536"),
		ofArgs("--urls=http://localhost:http"),
		ofArgs("--urls=http://localhost:5000/chat"),
		ofArgs("--urls=http://"),
		ofArgs("--urls=http://:5000"),
		ofArgs("--urls=http://unix:/run/hub.sock"),
		ofArgs("--urls=http://user@localhost:5000"),
		ofArgs("--urls=http://[::1:5000"),
		ofArgs("--urls=http://localhost:5000;http://LOCALHOST:5000/"),
		ofArgs("--urls=https://localhost:5001"),
		ofArgs("--metrics-address=9090"),
		ofArgs("--metrics-address=localhost:99999"),
		ofArgs("--metrics-address=http://localhost:9090"),
		ofArgs("--path-base=chat"),
		ofArgs("--path-base=/chat?x=1"),
		ofArgs("--path-base=//chat"),
		// TLS
		ofArgs("--tls-certificate-file=cert.pem"),
		ofArgs("--tls-key-file=key.pem"),
		ofArgs("--tls-certificate-file=cert.pem", "--tls-key-file=key.pem"),
		// origins
		ofEnviron("CORS_ORIGINS=*"),
		ofArgs("--cors-origins=https://*.example.com"),
		ofArgs("--cors-origins=example.com"),
		ofArgs("--cors-origins=https://example.com/chat"),
		ofArgs("--cors-origins=https://a.example,null"),
		ofArgs("--cors-origins=https://user:secret@example.com"),
		// proxies
		ofArgs("--trusted-proxies=10.0.0.0/33"),
		ofArgs("--trusted-proxies=proxy.example.com"),
		ofArgs("--trusted-proxies=10.0.0.1:80"),
		// Redis
		ofEnviron("REDIS_CONNECTION=password=hunter2"),
		ofEnviron("REDIS_CONNECTION=redis:6379,pasword=hunter2"),
		ofEnviron("REDIS_CONNECTION=redis:6379,password=a,hunter2"),
		ofEnviron("RedisConnection=redis:notaport"),
		ofEnviron("RedisConnection=redis:6379,ssl=perhaps"),
		ofEnviron("RedisConnection=a:1,b:2,proxy=twemproxy"),
		ofArgs("--redis-connection=http://redis:6379"),
		ofArgs("--redis-tls-ca-file=ca.pem", "--redis-connection=redis:6379"),
		ofArgs("--redis-tls-certificate-file=c.pem", "--redis-connection=redis:6379,ssl=true"),
		ofArgs("--redis-tls-key-file=k.pem", "--redis-connection=rediss://redis:6379"),
		ofArgs("--redis-connection=redis://:hunter2@redis:port"),
		ofArgs("--cluster-key=hunter2"),
		ofArgs("--cluster-key-previous=hunter2-is-a-key-of-32-bytes-or-more"),
		ofEnviron("REDIS_PASSWORD=hunter2"),
		// values in files
		ofArgs("--cluster-key-file=missing"),
		ofArgs("--cluster-key-file=short"),
		ofArgs("--cluster-key-file=empty"),
		ofArgs("--cluster-key=hunter2-is-a-key-of-32-bytes-or-more", "--cluster-key-previous-file=short"),
		ofEnviron("CHATCLUSTER_REDIS_CONNECTION_FILE=private"),
		ofEnviron("REDIS_CONNECTION=redis:6379", "REDIS_CONNECTION_FILE=connection"),
		{args: []string{"--jwt-key-file=private"}},
		// authentication
		ofArgs("--jwt-key=hunter2"),
		ofEnviron("JWT_KEY=-----BEGIN hunter2"),
		ofArgs("--require-authentication"),
		ofArgs("--jwt-issuer=https://id.example"),
		ofArgs("--jwt-audiences=chat"),
		ofArgs("--jwt-audiences="),
		ofArgs("--jwt-audiences=;"),
		ofEnviron("JWT_AUDIENCE= "),
		ofFile("JwtAudiences: []"),
		ofFile("JwtAudiences: [' ']"),
		ofArgs("--jwt-user-claim=email"),
		ofArgs("--require-authentication=perhaps"),
		ofArgs("--jwt-clock-skew=2h"),
		// limits and the end
		ofArgs("--maximum-connections=-1"),
		ofArgs("--maximum-streams-per-client=0"),
		ofArgs("--drain-delay=10s", "--drain-period=10s"),
		ofArgs("--drain-delay=10s", "--drain-period=28s", "--shutdown-timeout=40s"),
		ofArgs("--drain-delay=100ms", "--shutdown-timeout=100ms"),
		// the command line
		ofArgs("--keepalive=5s"),
		ofArgs("--KeepAliveInterval=5s"),
		ofArgs("--redis-connecton=localhost:6379,password=hunter2"),
		ofArgs("--completely-different"),
		ofArgs("-x"),
		ofArgs("--=x"),
		ofArgs("--urls"),
		ofArgs("--config"),
		ofArgs("serve"),
		// the environment
		ofEnviron("CHATCLUSTER_KEEPALIVE_INTERVAL=5s"),
		ofEnviron("CHATCLUSTER_FOO=1"),
		// files
		{args: []string{"--config=missing.yaml"}},
		ofFile("KeepAliveIntervall: 5s"),
		ofFile(`{"SignalR": {"KeepAliveIntervall": "5s"}}`),
		ofFile("AllowedHosts: '*'"),
		ofFile("KeepAliveInterval: 5s\nkeep-alive-interval: 6s"),
		ofFile("KeepAliveInterval: 5s\nKeepAliveInterval: 6s"),
		ofFile(`{"Redis": {"Connection": "a:1"}, "RedisConnection": "b:1"}`),
		ofFile(`{"KeepAliveInterval": "5s", "KeepAliveInterval": "6s"}`),
		ofFile("KeepAliveInterval: [5s]"),
		ofFile("CorsOrigins: [[https://a.example]]"),
		ofFile("CorsOrigins: [https://a.example, null]"),
		ofFile("Config: other.yaml"),
		ofFile("- a\n- b"),
		ofFile("just text"),
		ofFile("a: b: c"),
		ofFile("a: &a [*a]"),
		ofFile(`{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}}}}}`),
		ofFile("Transports: {WebSockets: true}"),
		ofFile("LogLevel: \"in\\nfo\""),
		ofFile("LogLevel: " + strings.Repeat("very ", 30)),
		ofFile("KeepAliveInterval: 1\x00s"),
	}
}

func TestMistakesStopTheStartWithOneLine(t *testing.T) {
	var lines strings.Builder
	for _, mistake := range mistakes() {
		_, _, err := load(mistake.args, mistake.environ, mistake.file)
		if err == nil {
			t.Errorf("%s: accepted", mistake)
			continue
		}
		if _, typed := errors.AsType[*Error](err); !typed {
			t.Errorf("%s: %T", mistake, err)
		}
		if strings.ContainsAny(err.Error(), "\n\r\t") || strings.TrimSpace(err.Error()) == "" {
			t.Errorf("%s: more than one line: %q", mistake, err)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: tells a secret: %q", mistake, err)
		}
		// What follows is the words of the Redis package, which tests them itself.
		text, _, _ := strings.Cut(err.Error(), "cannot be used: ")
		fmt.Fprintf(&lines, "%s\n    %s\n", mistake, text)
	}
	golden(t, "mistakes.golden", lines.String())
}

func TestMistakesInConnectionStringsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"redis:6379,pasword=hunter2": "pasword",
		"redis:6379,ssl=perhaps":     "perhaps",
		"http://redis:6379":          "redis://",
		"password=hunter2":           "host:port",
		"a:1,b:2,proxy=twemproxy":    "proxy",
	} {
		_, _, err := load(nil, []string{"REDIS_CONNECTION=" + text}, "")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
