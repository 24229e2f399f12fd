package redis

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConnectionStringsThatAreHonoured(t *testing.T) {
	tests := map[string]ConnectionString{
		"redis":            {Endpoints: []Endpoint{{"redis", 6379}}},
		"redis:6390":       {Endpoints: []Endpoint{{"redis", 6390}}},
		" redis:6379 , ,":  {Endpoints: []Endpoint{{"redis", 6379}}},
		"redis,ssl=true":   {Endpoints: []Endpoint{{"redis", 6380}}, TLS: true},
		"redis:1,SSL=True": {Endpoints: []Endpoint{{"redis", 1}}, TLS: true},
		"127.0.0.1:6379":   {Endpoints: []Endpoint{{"127.0.0.1", 6379}}},
		"[::1]:6390":       {Endpoints: []Endpoint{{"::1", 6390}}},
		"[fe80::1%eth0]":   {Endpoints: []Endpoint{{"fe80::1%eth0", 6379}}},
		"::1":              {Endpoints: []Endpoint{{"::1", 6379}}},
		"name=hub,redis":   {Endpoints: []Endpoint{{"redis", 6379}}, ClientName: "hub"},
		"redis:6379,password=a=b==,user=app,channelPrefix=App_,defaultDatabase=1,abortConnect=false,connectTimeout=5000": {
			Endpoints: []Endpoint{{"redis", 6379}}, User: "app", Password: "a=b==", ChannelPrefix: "App_", Database: 1, ConnectTimeout: 5 * time.Second,
		},
		"redis,sslHost=redis.example.com,sslProtocols=Tls12|Tls13,ssl=yes": {
			Endpoints: []Endpoint{{"redis", 6380}}, TLS: true, TLSHost: "redis.example.com", TLSMin: tls.VersionTLS12, TLSMax: tls.VersionTLS13,
		},
		"redis,syncTimeout=1000":                   {Endpoints: []Endpoint{{"redis", 6379}}, Timeout: time.Second},
		"redis,asyncTimeout=2000,syncTimeout=1000": {Endpoints: []Endpoint{{"redis", 6379}}, Timeout: 2 * time.Second},
		"redis,syncTimeout=1000,asyncTimeout=2000": {Endpoints: []Endpoint{{"redis", 6379}}, Timeout: 2 * time.Second},
		"redis,keepAlive=180":                      {Endpoints: []Endpoint{{"redis", 6379}}},
		"redis,keepAlive=-1":                       {Endpoints: []Endpoint{{"redis", 6379}}},
		"redis,keepAlive=2":                        {Endpoints: []Endpoint{{"redis", 6379}}, KeepAlive: 2 * time.Second},
		"redis,setlib=0":                           {Endpoints: []Endpoint{{"redis", 6379}}, Anonymous: true},
		"redis,channelPrefix=a,channelPrefix=b":    {Endpoints: []Endpoint{{"redis", 6379}}, ChannelPrefix: "b"},
		"redis,proxy=None,tunnel=,protocol=resp3":  {Endpoints: []Endpoint{{"redis", 6379}}},
		"redis,allowAdmin=true,connectRetry=3":     {Endpoints: []Endpoint{{"redis", 6379}}},
		"redis,configChannel=x,tiebreaker=y":       {Endpoints: []Endpoint{{"redis", 6379}}},
		"redis://":                                 {Endpoints: []Endpoint{{"localhost", 6379}}},
		"redis:///2":                               {Endpoints: []Endpoint{{"localhost", 6379}}, Database: 2},
		"redis://redis":                            {Endpoints: []Endpoint{{"redis", 6379}}},
		"rediss://redis":                           {Endpoints: []Endpoint{{"redis", 6379}}, TLS: true},
		"rediss://redis?ssl=true":                  {Endpoints: []Endpoint{{"redis", 6379}}, TLS: true},
		"redis://[::1]:6390/":                      {Endpoints: []Endpoint{{"::1", 6390}}},
		"redis://:a%2Cb%40@redis:1/3?connectTimeout=9": {
			Endpoints: []Endpoint{{"redis", 1}}, Password: "a,b@", Database: 3, ConnectTimeout: 9 * time.Millisecond,
		},
		"a,b:7000,[::1]:1":         {Endpoints: []Endpoint{{"a", 6379}, {"b", 7000}, {"::1", 1}}},
		"a,b,ssl=true":             {Endpoints: []Endpoint{{"a", 6380}, {"b", 6380}}, TLS: true},
		"a,b:1,serviceName=m":      {Endpoints: []Endpoint{{"a", 26379}, {"b", 1}}, ServiceName: "m"},
		"redis://u:p@a,b:2/1":      {Endpoints: []Endpoint{{"a", 6379}, {"b", 2}}, User: "u", Password: "p", Database: 1},
		"rediss://a:1?addr=b&db=3": {Endpoints: []Endpoint{{"a", 1}, {"b", 6379}}, TLS: true, Database: 3},
		"redis://:p@a?master_name=m&addr=b:2&sentinel_username=s&sentinel_password=q&client_name=n&dial_timeout=3": {
			Endpoints: []Endpoint{{"a", 26379}, {"b", 2}}, Password: "p", ServiceName: "m", SentinelUser: "s", SentinelPassword: "q",
			ClientName: "n", ConnectTimeout: 3 * time.Second,
		},
		"a,serviceName=m,sentinelUser=s,sentinelPassword=q,user=u,password=p": {
			Endpoints: []Endpoint{{"a", 26379}}, ServiceName: "m", SentinelUser: "s", SentinelPassword: "q", User: "u", Password: "p",
		},
		"redis://app:secret@redis?channelPrefix=App_&name=hub": {
			Endpoints: []Endpoint{{"redis", 6379}}, User: "app", Password: "secret", ChannelPrefix: "App_", ClientName: "hub",
		},
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			got, err := ParseConnectionString(text)
			if err != nil {
				t.Fatal(err)
			}
			if difference := cmp.Diff(want, got); difference != "" {
				t.Error(difference)
			}
		})
	}
}

func TestConnectionStringsThatAreRefused(t *testing.T) {
	tests := map[string]string{
		"":                                      "empty",
		" , ":                                   "empty",
		"password=secret":                       "no endpoint",
		strings.Repeat("a,", 65):                "more than 64 endpoints",
		"redis://a:1,b:2,c:x":                   "allowed is host:port",
		"redis://a?addr=b:x":                    "allowed is host:port",
		"redis://a?pool_size=3":                 "pool_size is a setting of go-redis that is not used here",
		"redis://a?skip_verify=true":            "skip_verify is",
		"redis://a?dial_timeout=soon":           `dial_timeout="soon": allowed is a duration`,
		"redis,sentinelPassword=x":              "serviceName is not",
		"redis,serviceName=m,sentinelUser=x":    "sentinelPassword is not",
		"redis:99999":                           `endpoint "redis:99999" cannot be read: allowed is host:port`,
		"redis:0":                               "a port from 1 to 65535",
		"redis:":                                "allowed is host:port",
		"redis:user":                            "allowed is host:port",
		"a@b:1":                                 "allowed is host:port",
		"[::1":                                  "allowed is host:port",
		"[redis]:1":                             "allowed is host:port",
		"::1::2":                                "allowed is host:port",
		"/tmp/redis.sock":                       "unix sockets",
		"!/tmp/redis.sock":                      "unix sockets",
		"redis,connectTimeout=soon":             `connectTimeout="soon": allowed is a whole number of milliseconds`,
		"redis,CONNECTTIMEOUT=0":                `connectTimeout="0": allowed is`,
		"redis,connectTimeout=99999999999":      "connectTimeout=",
		"redis,syncTimeout=-1,asyncTimeout=1":   "syncTimeout=",
		"redis,ssl=maybe":                       `ssl="maybe": allowed is true or false`,
		"redis,defaultDatabase=-1":              "defaultDatabase=",
		"redis,defaultDatabase=x":               "defaultDatabase=",
		"redis,abortConnect=true":               "abortConnect=",
		"redis,sslProtocols=ssl3":               `sslProtocols="ssl3": allowed is tls12, tls13`,
		"redis,sslProtocols=":                   "sslProtocols=",
		"redis,sslHost=a b":                     "sslHost=",
		"redis,name=my app":                     "name=",
		"redis,proxy=twemproxy":                 "proxy=",
		"redis,tunnel=http:proxy:80":            "tunnel=",
		"redis,highIntegrity=true":              "highIntegrity=",
		"redis,checkCertificateRevocation=true": "checkCertificateRevocation=",
		"redis,protocol=resp4":                  "protocol=",
		"redis,connectRetry=x":                  "connectRetry=",
		"redis,keepAlive=x":                     "keepAlive=",
		"redis,chanelPrefix=App_":               "unknown key chanelPrefix: known are user, password, channelPrefix",
		"redis,$CLIENT=":                        "renamed commands",
		"redis,user=app":                        "password is not",
		"http://redis":                          "allowed are redis:// and rediss://",
		"redis://redis/one":                     "cannot be read",
		"redis://redis/1/2":                     "cannot be read",
		"redis://redis?foo=1":                   "unknown key foo",
		"redis://redis?ssl=true":                "contradicts",
		"redis://redis?name=%zz":                "cannot be read",
		"redis://redis:port":                    "cannot be read",
		"redis://redis#1":                       "cannot be read",
		"redis://a/b c?%":                       "cannot be read",
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			_, err := ParseConnectionString(text)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, want)
			}
		})
	}
}

func TestPasswordsNeverShowInErrors(t *testing.T) {
	for _, text := range []string{
		"redis,password=one,s3cret",
		"redis,password=one,s3cret=two",
		"redis,password=one,two=s3cret",
		"redis,password=s3cret,ssl=maybe",
		"redis,password=s3cret,colour=red",
		"redis,pasword=s3cret",
		"redis,sentinelPassword=s3cret",
		"user:s3cret@redis:6379",
		"redis:s3cret",
		"redis://a,b:s3cret@c,d:x",
		"redis://a:s3cret@b,c:9999999",
		"redis://a?sentinel_password=s3cret",
		"s3cret@redis",
		"redis://:s3cret@redis:port",
		"redis://:s3cret@redis:1:2",
		"redis://:s3cret%zz@redis",
		"redis://user:1#s3cret@redis",
		"redis://user:1?s3cret@redis=1",
		"redis://user:1/s3cret@redis?x=%zz",
		"redis://:s3 cret@redis",
		"redis://redis?password=s3cret&foo=1",
		"http://:s3cret@redis",
	} {
		_, err := ParseConnectionString(text)
		if err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "s3 cret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestPasswordsNeverShowHoweverPrinted(t *testing.T) {
	c, err := ParseConnectionString("redis:6379,user=app,password=s3cret,ssl=true,channelPrefix=App_")
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "redis", c)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "redis", c)
	encoded, err := json.Marshal(map[string]any{"redis": c})
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s %q", c, &c, c, c, c) + log.String() + string(encoded)
	if strings.Contains(printed, "s3cret") {
		t.Error(printed)
	}
	if want := "redis:6379,user=app,password=***,ssl=true,channelPrefix=App_"; c.String() != want {
		t.Errorf("printed as %s, want %s", c, want)
	}
}

func TestWhatAListCannotHoldIsPrintedAsURL(t *testing.T) {
	c, err := ParseConnectionString("rediss://a%2Cb:s3cret@redis:6379?channelPrefix=%20App")
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseConnectionString(c.String())
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	c.Password = hidden
	if difference := cmp.Diff(c, again); difference != "" || !again.TLS {
		t.Errorf("%s: %s", c, difference)
	}
}

func TestConnectionStringBecomesOptions(t *testing.T) {
	c, err := ParseConnectionString("redis,ssl=true,sslHost=example.com,sslProtocols=tls13,user=u,password=p,defaultDatabase=4," +
		"name=n,connectTimeout=7,syncTimeout=8,keepAlive=1,channelPrefix=x,setlib=false")
	if err != nil {
		t.Fatal(err)
	}
	options := c.Options()
	redis := options.Redis
	if redis.Addr != "redis:6380" || redis.Username != "u" || redis.Password != "p" || redis.DB != 4 || redis.ClientName != "n" ||
		redis.DialTimeout != 7*time.Millisecond || !redis.DisableIdentity {
		t.Errorf("%+v", redis)
	}
	if redis.TLSConfig.ServerName != "example.com" || redis.TLSConfig.MinVersion != tls.VersionTLS13 {
		t.Errorf("%+v", redis.TLSConfig)
	}
	if options.ChannelPrefix != "x" || options.PublishTimeout != 8*time.Millisecond || options.HealthCheckInterval != time.Second {
		t.Errorf("%+v", options)
	}
	several, err := ParseConnectionString("a,b:1,serviceName=m,sentinelUser=s,sentinelPassword=q,ssl=true")
	if err != nil {
		t.Fatal(err)
	}
	want := Servers{Addresses: []string{"a:26379", "b:1"}, ServiceName: "m", SentinelUser: "s", SentinelPassword: "q"}
	if got := several.Options(); !reflect.DeepEqual(got.Servers, want) || got.Redis.TLSConfig.ServerName != "" {
		t.Errorf("%+v", got.Servers)
	}
	if plain := (ConnectionString{Endpoints: []Endpoint{{"::1", 1}}}).Options(); plain.Redis.TLSConfig != nil || plain.Redis.Addr != "[::1]:1" {
		t.Errorf("%+v", plain.Redis)
	}
}

// FuzzParseConnectionString: nothing panics, errors are one line, and what is accepted means the same when printed and
// read again.
func FuzzParseConnectionString(f *testing.F) {
	for _, seed := range []string{
		"redis:6379,password=a,ssl=true,channelPrefix=App_,defaultDatabase=1,abortConnect=false",
		"rediss://u:p%2C@[::1]:1/2?name=x&keepAlive=2", "::1,sslProtocols=tls12", "a,b:1,serviceName=m,sentinelPassword=p", "redis://a,b:1?addr=c&master_name=%20m", "a,asyncTimeout=2,syncTimeout=1,setlib=no", "redis:///",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConnectionString(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		for _, endpoint := range c.Endpoints {
			if endpoint.Host == "" || endpoint.Port < 1 || endpoint.Port > 65535 {
				t.Errorf("endpoint %q", endpoint)
			}
		}
		printed := c.String()
		again, err := ParseConnectionString(printed)
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, printed, err)
		}
		if c.Password != "" {
			c.Password = hidden
		}
		if c.SentinelPassword != "" {
			c.SentinelPassword = hidden
		}
		if difference := cmp.Diff(c, again); difference != "" {
			t.Errorf("%q printed as %q: %s", text, printed, difference)
		}
	})
}
