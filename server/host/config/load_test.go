package config

import (
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// files is a file system for Load.
type files map[string]string

func (f files) read(name string) ([]byte, error) {
	content, found := f[name]
	if !found {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(content), nil
}

// load loads the common table. The file, if any, is hub.yaml and given by the environment.
func load(args, environ []string, file string) (Config, *Loaded, error) {
	var config Config
	if file != "" {
		environ = append(environ, "CHATCLUSTER_CONFIG=hub.yaml")
	}
	loaded, err := Load(Table{Keys: config.Keys(), Check: config.Check}, Input{Args: args, Environ: environ, ReadFile: files{
		"hub.yaml": file, "short": secret + "\n", "empty": "\n", "connection": "redis:6379,password=" + secret + "\r\n",
		"private": "-----BEGIN PRIVATE KEY-----\nTUM0Q0FRQQ==\n-----END PRIVATE KEY-----\n",
	}.read})
	return config, loaded, err
}

func mustLoad(t *testing.T, args, environ []string, file string) (Config, *Loaded) {
	t.Helper()
	config, loaded, err := load(args, environ, file)
	if err != nil {
		t.Fatal(err)
	}
	return config, loaded
}

func origin(t *testing.T, loaded *Loaded, name string) string {
	t.Helper()
	at := slices.IndexFunc(loaded.Entries, func(entry Entry) bool { return entry.Key.Name == name })
	if at < 0 {
		t.Fatalf("no entry for %s", name)
	}
	return loaded.Entries[at].Origin.String()
}

func TestSourcesWinInTheirOrder(t *testing.T) {
	const flag, prefixed, known = "--redis-channel-prefix=flag", "CHATCLUSTER_REDIS_CHANNEL_PREFIX=prefixed", "REDIS_CHANNEL_PREFIX=known"
	const dotnet, file = "RedisChannelPrefix=dotnet", "RedisChannelPrefix: file"
	tests := []struct {
		name    string
		args    []string
		environ []string
		file    string
		want    string
		from    string
	}{
		{"flag over all", []string{flag}, []string{prefixed, known, dotnet}, file, "flag", "flag --redis-channel-prefix"},
		{"our variable over others", nil, []string{dotnet, known, prefixed}, file, "prefixed", "environment CHATCLUSTER_REDIS_CHANNEL_PREFIX"},
		{"first known variable over later", nil, []string{dotnet, known}, file, "known", "environment REDIS_CHANNEL_PREFIX"},
		{"any variable over file", nil, []string{dotnet}, file, "dotnet", "environment RedisChannelPrefix"},
		{"file over default", nil, nil, file, "file", "file hub.yaml"},
		{"default", nil, nil, "", "", "default"},
		{"empty variable is absent", nil, []string{"REDIS_CHANNEL_PREFIX="}, file, "file", "file hub.yaml"},
		{"empty flag counts", []string{"--redis-channel-prefix="}, nil, file, "", "flag --redis-channel-prefix"},
		{"last flag wins", []string{"--redis-channel-prefix=a", "--redis-channel-prefix", "b"}, nil, "", "b", "flag --redis-channel-prefix"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config, loaded := mustLoad(t, test.args, test.environ, test.file)
			if config.RedisChannelPrefix != test.want {
				t.Errorf("got %q, want %q", config.RedisChannelPrefix, test.want)
			}
			if from := origin(t, loaded, "RedisChannelPrefix"); from != test.from {
				t.Errorf("from %q, want %q", from, test.from)
			}
		})
	}
}

func TestEveryKeyIsReadFromEverySource(t *testing.T) {
	// One value per key that differs from its default.
	values := map[string]string{
		"Urls": "http://127.0.0.1:6001", "PathBase": "/base", "TlsCertificateFile": "cert.pem", "TlsKeyFile": "key.pem",
		"CorsOrigins": "https://a.example", "TrustedProxies": "10.0.0.0/8", "EnableDetailedErrors": "true",
		"HandshakeTimeout": "3s", "KeepAliveInterval": "4s", "ClientTimeoutInterval": "5s", "MaximumReceiveMessageSize": "1MiB",
		"MaximumParallelInvocationsPerClient": "7", "StreamBufferCapacity": "8", "Transports": "LongPolling",
		"TransportSendTimeout": "9s", "OutboundBufferSize": "64KiB", "LongPollingPollTimeout": "11s", "MaximumNegotiationsPerMinute": "60",
		"AllowStatefulReconnects": "false", "StatefulReconnectBufferSize": "12KiB", "RedisConnection": "rediss://redis:6379",
		"RedisTlsCaFile": "ca.pem", "RedisTlsCertificateFile": "redis.pem", "RedisTlsKeyFile": "redis-key.pem",
		"RedisChannelPrefix": "app", "RedisDefaultDatabase": "3", "MetricsAddress": "localhost:9090",
		"ClusterKey": "a-secret-of-no-less-than-32-bytes", "PeerAddress": ":9091", "PodIp": "10.0.0.7", "ShutdownTimeout": "13s", "LogLevel": "debug", "LogFormat": "json",
		"ClusterKeyPrevious": "another-secret-of-no-less-than-32", "RedisPassword": "hunter2", "DrainDelay": "2s", "DrainRate": "100", "RebalanceRate": "0", "DrainPeriod": "6s",
		"MaximumConnections": "1000", "MaximumMessagesPerSecond": "20", "MessageBurst": "30", "MaximumStreamsPerClient": "40",
		"JwtKey": "a-key-of-tokens-with-32-bytes-or-more", "RequireAuthentication": "false", "JwtIssuer": "https://id.example",
		"JwtAudiences": "chat", "JwtUserClaim": "email", "JwtClockSkew": "14s",
		"BackplaneMode": "streams", "BackplaneLocalFallback": "true", "BackplaneStreamLength": "5000", "BackplaneStreamAge": "15m",
		"BackplaneStreamSafety": "disk", "BackplaneStreamWaitTimeout": "16s",
	}
	all := new(Config).Keys()
	for _, key := range all {
		if slices.ContainsFunc(all, func(other Key) bool { return other.FileKey == key.Name }) {
			continue // see TestValuesAreReadFromFilesOfTheirOwn
		}
		value := values[key.Name]
		if value == "" || value == key.Default {
			t.Fatalf("%s needs a value other than its default in this test", key.Name)
		}
		inputs := map[string]Input{
			"--" + key.Flag(): {Args: []string{"--" + key.Flag() + "=" + value}},
			key.Name:          {ReadFile: files{"f": key.Name + ": " + value}.read, Args: []string{"--config=f"}},
		}
		for _, variable := range key.variables() {
			inputs[variable] = Input{Environ: []string{variable + "=" + value}}
		}
		for _, alias := range key.Aliases {
			content := strings.ReplaceAll(alias, ":", ": {") + ": " + value + strings.Repeat("}", strings.Count(alias, ":"))
			inputs[alias] = Input{ReadFile: files{"f": content}.read, Args: []string{"--config", "f"}}
		}
		for name, input := range inputs {
			var config Config
			keys := config.Keys()
			if _, err := Load(Table{Keys: keys}, input); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			at := slices.IndexFunc(keys, func(candidate Key) bool { return candidate.Name == key.Name })
			if got := keys[at].Value.Text(); got != value {
				t.Errorf("%s: got %q, want %q", name, got, value)
			}
		}
	}
}

func TestFilesMayNestAndSpellNamesInTheirWay(t *testing.T) {
	const want = 21 * time.Second
	tests := map[string]string{
		"flat JSON":                  `{"KeepAliveInterval": "21s"}`,
		"JSON indented with tabs":    "{\n\t\"KeepAliveInterval\": 21\n}",
		"byte order mark":            "\xEF\xBB\xBF{\"KeepAliveInterval\": 21}",
		"flat YAML":                  "KeepAliveInterval: 21s",
		"appsettings":                `{"SignalR": {"KeepAliveInterval": "00:00:21"}}`,
		"time span without quotes":   "KeepAliveInterval: 00:00:21",
		"camelCase":                  "keepAliveInterval: 21",
		"dashes":                     "keep-alive-interval: 21.0",
		"underscores and upper case": "KEEP_ALIVE_INTERVAL: 21s",
		"nested words":               "keepAlive:\n  interval: 21s",
		"dotted":                     "keepAlive.interval: 21s",
		"section with a flat name":   `{"SignalR:KeepAliveInterval": 21}`,
	}
	for name, file := range tests {
		t.Run(name, func(t *testing.T) {
			if config, _ := mustLoad(t, nil, nil, file); config.KeepAliveInterval != want {
				t.Errorf("got %v", config.KeepAliveInterval)
			}
		})
	}
}

func TestFileWithoutKeysIsAllowed(t *testing.T) {
	for _, file := range []string{"# nothing yet\n", "{}", "---\n"} {
		if config, _ := mustLoad(t, nil, nil, file); !cmp.Equal(config, Default(), cmp.Comparer(samePrefixes)) {
			t.Errorf("%q changed the defaults", file)
		}
	}
}

func TestListsAreTextOrArraysOrRepeatedFlags(t *testing.T) {
	want := []string{"https://a.example", "https://b.example"}
	tests := map[string]struct {
		args    []string
		environ []string
		file    string
	}{
		"commas":         {args: []string{"--cors-origins", "https://a.example, https://b.example,"}},
		"semicolons":     {environ: []string{"CORS_ORIGINS=https://a.example;https://b.example"}},
		"repeated flags": {args: []string{"--cors-origins", "https://a.example", "--cors-origins=https://b.example"}},
		"array":          {file: `{"Cors": {"AllowedOrigins": ["https://a.example", "https://b.example"]}}`},
		"sequence":       {file: "corsOrigins:\n- https://a.example\n- https://b.example\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config, _ := mustLoad(t, test.args, test.environ, test.file)
			if diff := cmp.Diff(want, config.CORSOrigins); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDefaultsAreThoseOfTheReference(t *testing.T) {
	config := Default()
	if config.KeepAliveInterval != 15*time.Second || config.ClientTimeoutInterval != 30*time.Second ||
		config.HandshakeTimeout != 15*time.Second || config.MaximumReceiveMessageSize != 32768 ||
		config.MaximumParallelInvocationsPerClient != 1 || config.StreamBufferCapacity != 10 ||
		config.StatefulReconnectBufferSize != 100_000 || config.TransportSendTimeout != 10*time.Second ||
		config.LongPollingPollTimeout != 90*time.Second || config.EnableDetailedErrors || config.RedisDefaultDatabase != nil {
		t.Errorf("%+v", config)
	}
	if !config.AllowStatefulReconnects || !slices.Equal(config.Transports, []string{WebSockets, ServerSentEvents, LongPolling}) {
		t.Errorf("%+v", config)
	}
	if config.LogLevel != slog.LevelInfo || !slices.Equal(config.URLs, []Address{{Host: "localhost", Port: 5000}}) {
		t.Errorf("%+v", config)
	}
}

func TestVariablesOfKubernetesServicesAreNoKeys(t *testing.T) {
	environ := []string{
		"CHATCLUSTER_SERVICE_HOST=10.0.0.1", "CHATCLUSTER_SERVICE_PORT=80", "CHATCLUSTER_SERVICE_PORT_HTTP=80",
		"CHATCLUSTER_PORT=tcp://10.0.0.1:80", "CHATCLUSTER_PORT_80_TCP=tcp://10.0.0.1:80", "CHATCLUSTER_PORT_80_TCP_PROTO=tcp",
		"CHATCLUSTER_PORT_80_TCP_PORT=80", "CHATCLUSTER_PORT_80_TCP_ADDR=10.0.0.1", "CHATCLUSTER_DEMO_SERVICE_HOST=10.0.0.2",
		"CHATCLUSTER_DEMO_REDIS_PORT_6379_TCP_ADDR=10.0.0.2",
	}
	mustLoad(t, nil, environ, "")
}

func TestHelpAndVersionLookAtNothingElse(t *testing.T) {
	for flag, want := range map[string]Loaded{"--help": {Help: true}, "-h": {Help: true}, "--version": {Version: true}} {
		_, loaded, err := load([]string{flag}, []string{"CHATCLUSTER_NONSENSE=1", "CHATCLUSTER_CONFIG=missing"}, "")
		if err != nil || loaded.Help != want.Help || loaded.Version != want.Version {
			t.Errorf("%s: %+v, %v", flag, loaded, err)
		}
	}
}

func TestOverriddenPlacesAreNamed(t *testing.T) {
	_, loaded := mustLoad(t, []string{"--urls=http://localhost:1"}, []string{"ASPNETCORE_URLS=http://localhost:2"}, "urls: http://localhost:3")
	at := slices.IndexFunc(loaded.Entries, func(entry Entry) bool { return entry.Key.Name == "Urls" })
	want := []Origin{{SourceEnvironment, "ASPNETCORE_URLS"}, {SourceFile, "hub.yaml"}}
	if diff := cmp.Diff(want, loaded.Entries[at].Overridden); diff != "" {
		t.Error(diff)
	}
}

func TestOverriddenValueIsNotJudged(t *testing.T) {
	config, _ := mustLoad(t, []string{"--keep-alive-interval=5s"}, []string{"KeepAliveInterval=nonsense"}, "")
	if config.KeepAliveInterval != 5*time.Second {
		t.Error(config.KeepAliveInterval)
	}
}

func TestLocateNamesWhereTheKeyIsFrom(t *testing.T) {
	_, loaded := mustLoad(t, nil, []string{"ASPNETCORE_URLS=http://localhost:2"}, "")
	err := loaded.Locate(Problem("Urls", "is in use"))
	if err.Error() != "Urls (environment ASPNETCORE_URLS): is in use" {
		t.Error(err)
	}
	plain := errors.New("plain")
	if got := loaded.Locate(plain); !errors.Is(got, plain) {
		t.Error(got)
	}
}

func TestValuesAreReadFromFilesOfTheirOwn(t *testing.T) {
	const connection, other = "redis:6379,password=" + secret, "other:6379"
	tests := []struct {
		name       string
		args       []string
		environ    []string
		file       string
		want, path string
		from       string
	}{
		{"flag", []string{"--redis-connection-file=connection"}, nil, "", connection, "connection", "RedisConnectionFile"},
		{"our variable", nil, []string{"CHATCLUSTER_REDIS_CONNECTION_FILE=connection"}, "", connection, "connection", "RedisConnectionFile"},
		{"known variable", nil, []string{"REDIS_CONNECTION_FILE=connection"}, "", connection, "connection", "RedisConnectionFile"},
		{"configuration file", nil, nil, "Redis: {ConnectionFile: connection}", connection, "connection", "RedisConnectionFile"},
		{"a value that counts more", []string{"--redis-connection=" + other}, []string{"REDIS_CONNECTION_FILE=missing"}, "", other, "", "flag --redis-connection"},
		{"a file that counts more", []string{"--redis-connection-file=connection"}, []string{"REDIS_CONNECTION=" + other}, "", connection, "connection", "RedisConnectionFile"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config, loaded := mustLoad(t, test.args, test.environ, test.file)
			if config.RedisConnection != test.want || config.RedisConnectionFile != test.path {
				t.Errorf("got %q of the file %q, want %q of %q", config.RedisConnection, config.RedisConnectionFile, test.want, test.path)
			}
			if from := origin(t, loaded, "RedisConnection"); from != test.from {
				t.Errorf("from %q, want %q", from, test.from)
			}
			var text strings.Builder
			if err := loaded.WriteInForce(&text); err != nil || strings.Contains(text.String(), secret) {
				t.Errorf("%v: %s", err, text.String())
			}
		})
	}
}

// Kubernetes makes the file when the Secret gets the key.
func TestPreviousClusterKeyMayComeLater(t *testing.T) {
	for _, file := range []string{"missing", "empty"} {
		config, _ := mustLoad(t, []string{"--cluster-key=" + strings.Repeat("k", 32), "--cluster-key-previous-file=" + file}, nil, "")
		if config.ClusterKeyPrevious != "" || config.ClusterKeyPreviousFile != file {
			t.Errorf("%s: got %q of the file %q", file, config.ClusterKeyPrevious, config.ClusterKeyPreviousFile)
		}
	}
}

// A secret that nothing masks would show in the listing, one without a file could not be mounted.
func TestSecretsCanBeMounted(t *testing.T) {
	keys := new(Config).Keys()
	for _, key := range keys {
		if key.confidential() && !slices.ContainsFunc(keys, func(file Key) bool { return file.Name == key.FileKey }) {
			t.Errorf("%s has no companion that names a file", key.Name)
		}
	}
}
