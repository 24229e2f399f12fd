package host

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seen is what a handler is told of its client.
type seen struct{ Remote, Host, Scheme, Base string }

func TestForwardedHeaders(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	headers := func(pairs ...string) http.Header {
		header := http.Header{}
		for at := 0; at < len(pairs); at += 2 {
			header.Add(pairs[at], pairs[at+1])
		}
		return header
	}
	plain := func(remote string) seen { return seen{Remote: remote, Host: "hub:80", Scheme: "http"} }
	tests := []struct {
		name   string
		remote string
		header http.Header
		want   seen
	}{
		{"nothing forwarded", "10.0.0.1:99", nil, plain("10.0.0.1:99")},
		{
			"all of it", "10.0.0.1:99",
			headers("X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "chat.example.com", "X-Forwarded-Prefix", "/chat/"),
			seen{"192.0.2.7:0", "chat.example.com", "https", "/chat"},
		},
		{
			"a stranger's headers are ignored", "192.0.2.66:99",
			headers("X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example", "X-Forwarded-Prefix", "/evil"),
			plain("192.0.2.66:99"),
		},
		{"a trusted proxy over IPv6", "[::1]:99", headers("X-Forwarded-For", "2001:db8::7"), plain("[2001:db8::7]:0")},
		{"a trusted IPv4 proxy on an IPv6 socket", "[::ffff:10.0.0.1]:99", headers("X-Forwarded-For", "192.0.2.7"), plain("192.0.2.7:0")},
		{"what the client made up stands before its address", "10.0.0.1:99", headers("X-Forwarded-For", "1.1.1.1, 192.0.2.7"), plain("192.0.2.7:0")},
		{
			"a chain of trusted proxies", "10.0.0.1:99",
			headers("X-Forwarded-For", "1.1.1.1, 192.0.2.7, 10.0.0.2", "X-Forwarded-Proto", "ftp, https, http", "X-Forwarded-Host", "evil, chat.example.com, inner"),
			seen{"192.0.2.7:0", "chat.example.com", "https", ""},
		},
		{"a chain over several header lines", "10.0.0.1:99", headers("X-Forwarded-For", "192.0.2.7", "X-Forwarded-For", "10.0.0.2"), plain("192.0.2.7:0")},
		{"only trusted addresses", "10.0.0.1:99", headers("X-Forwarded-For", "10.0.0.3, 10.0.0.2"), plain("10.0.0.3:0")},
		{"an address with a port", "10.0.0.1:99", headers("X-Forwarded-For", "192.0.2.7:5555"), plain("192.0.2.7:5555")},
		{"IPv6 in brackets", "10.0.0.1:99", headers("X-Forwarded-For", "[2001:db8::7]"), plain("[2001:db8::7]:0")},
		{"IPv6 with a port", "10.0.0.1:99", headers("X-Forwarded-For", "[2001:db8::7]:5555"), plain("[2001:db8::7]:5555")},
		{"garbage ends the walk", "10.0.0.1:99", headers("X-Forwarded-For", "192.0.2.7, unknown, 10.0.0.2"), plain("10.0.0.2:0")},
		{
			"garbage nearest: the rest may be the client's words", "10.0.0.1:99",
			headers("X-Forwarded-For", "192.0.2.7, unknown", "X-Forwarded-Proto", "https, http", "X-Forwarded-Host", "evil.example, hub:80",
				"X-Forwarded-Prefix", "/evil, /"),
			plain("10.0.0.1:99"),
		},
		{
			"a proxy on a Unix socket nearest", "10.0.0.1:99",
			headers("X-Forwarded-For", "unix:", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example", "X-Forwarded-Prefix", "/evil"),
			plain("10.0.0.1:99"),
		},
		{"garbage alone", "10.0.0.1:99", headers("X-Forwarded-For", "unknown"), plain("10.0.0.1:99")},
		{"a scheme that is none", "10.0.0.1:99", headers("X-Forwarded-Proto", "javascript"), plain("10.0.0.1:99")},
		{"a host that is none", "10.0.0.1:99", headers("X-Forwarded-Host", "evil/../x"), plain("10.0.0.1:99")},
		{"a host with a bad port", "10.0.0.1:99", headers("X-Forwarded-Host", "chat:80x"), plain("10.0.0.1:99")},
		{"a host with a port", "10.0.0.1:99", headers("X-Forwarded-Host", "chat:8443"), seen{"10.0.0.1:99", "chat:8443", "http", ""}},
		{"a prefix that leads elsewhere", "10.0.0.1:99", headers("X-Forwarded-Prefix", "//evil.example"), plain("10.0.0.1:99")},
		{"no address of the peer", "@", headers("X-Forwarded-For", "192.0.2.7"), plain("@")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got seen
			handler := forwarded(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got = seen{r.RemoteAddr, r.Host, Scheme(r), PathBase(r)}
			}))
			request := httptest.NewRequest(http.MethodGet, "http://hub:80/chatHub", nil)
			request.RemoteAddr = test.remote
			request.Header = test.header
			handler.ServeHTTP(httptest.NewRecorder(), request)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzForwardedHeaders(f *testing.F) {
	f.Add("192.0.2.7, 10.0.0.1", "https", "chat:80", "/chat")
	f.Add("[::1]:80", "http,https", "[::1]", "//x")
	f.Fuzz(func(t *testing.T, client, proto, name, prefix string) {
		handler := forwarded([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := netip.ParseAddrPort(r.RemoteAddr); err != nil {
				t.Errorf("client %q", r.RemoteAddr)
			}
			if scheme := Scheme(r); scheme != "http" && scheme != "https" {
				t.Errorf("scheme %q", scheme)
			}
		}))
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.RemoteAddr = "10.0.0.9:1"
		request.Header = http.Header{
			"X-Forwarded-For": {client}, "X-Forwarded-Proto": {proto}, "X-Forwarded-Host": {name}, "X-Forwarded-Prefix": {prefix},
		}
		handler.ServeHTTP(httptest.NewRecorder(), request)
	})
}
