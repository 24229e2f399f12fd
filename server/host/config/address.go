package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	plainScheme  = "http"
	secureScheme = "https"
)

// Address is where a server listens, as ASP.NET Core writes it: http://localhost:5000, https://*:443.
type Address struct {
	// TLS tells https from http.
	TLS bool
	// Host is an IP address without brackets, a name, or empty for all addresses of the machine. The name localhost
	// stands for both loopback addresses, 127.0.0.1 and ::1.
	Host string
	// Port is 0 for a free one.
	Port int
}

// String returns the address as it is written in the configuration.
func (a Address) String() string {
	scheme, host := plainScheme, a.Host
	if a.TLS {
		scheme = secureScheme
	}
	if host == "" {
		host = "*"
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(a.Port))
}

// Addresses is one or more addresses to listen on, each once.
func Addresses(target *[]Address) Value {
	parse := func(items []string) ([]Address, error) {
		var result []Address
		for _, item := range items {
			address, err := ParseAddress(item)
			if err != nil {
				return nil, &itemError{item, err}
			}
			if slices.Contains(result, address) {
				return nil, fmt.Errorf("has %q twice", address)
			}
			result = append(result, address)
		}
		if len(result) == 0 {
			return nil, errors.New("is empty; allowed are addresses such as http://localhost:5000, separated by semicolons")
		}
		return result, nil
	}
	text := func(addresses []Address) string {
		texts := make([]string, 0, len(addresses))
		for _, address := range addresses {
			texts = append(texts, address.String())
		}
		return strings.Join(texts, ";")
	}
	return list(target, parse, text).As("addresses")
}

// ParseAddress parses one address. Its error continues a sentence that begins with the text.
func ParseAddress(text string) (Address, error) {
	scheme, rest, found := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	if !found || scheme != plainScheme && scheme != secureScheme {
		return Address{}, errors.New("does not begin with http:// or https://; allowed is an address such as http://localhost:5000")
	}
	authority, path, _ := strings.Cut(rest, "/")
	if path != "" {
		return Address{}, errors.New("has a path; allowed is scheme, host and port only (a path is set with PathBase)")
	}
	host, port, err := splitAuthority(authority, map[string]int{plainScheme: 80, secureScheme: 443}[scheme])
	if err != nil {
		return Address{}, err
	}
	return Address{TLS: scheme == secureScheme, Host: host, Port: port}, nil
}

// splitAuthority parses host:port or a host alone. The hosts * and + mean all addresses, as in ASP.NET Core.
func splitAuthority(authority string, defaultPort int) (host string, port int, err error) {
	if !strings.ContainsAny(authority, "[]:") || strings.HasPrefix(authority, "[") && strings.HasSuffix(authority, "]") {
		authority += ":" + strconv.Itoa(defaultPort)
	}
	host, digits, err := net.SplitHostPort(authority)
	if err != nil {
		return "", 0, errors.New("has no valid host and port; allowed is an address such as http://localhost:5000 or http://[::1]:5000")
	}
	number, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("has the port %q; allowed is a port from 0 to 65535", digits)
	}
	if host == "*" || host == "+" {
		return "", int(number), nil
	}
	if !isHost(host) {
		return "", 0, fmt.Errorf("has the host %q; allowed is a name, an IP address, or * for all addresses", host)
	}
	return strings.ToLower(host), int(number), nil
}

// isHost tells whether text can be a name or an IP address. It is no full check of a name: looking it up is one.
func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	return text != "" && !strings.ContainsAny(text, ":[]/\\@?#%*+ \t\r\n\"'<>,")
}

// HostPort is an address to listen on without a scheme, such as :9090 or localhost:9090. Empty means none.
func HostPort(target *string) Value {
	check := func(text string) error {
		if text == "" {
			return nil
		}
		host, _, err := net.SplitHostPort(text)
		if err != nil {
			return errors.New("is no address; allowed is host:port, such as localhost:9090, or :9090 for all addresses")
		}
		if host == "" {
			host = "*"
		}
		_, _, err = splitAuthority(net.JoinHostPort(host, text[strings.LastIndexByte(text, ':')+1:]), 0)
		return err
	}
	return Text(target, check).As("host:port")
}

// IP is an IP address without brackets. Empty means none.
func IP(target *string) Value {
	check := func(text string) error {
		if _, err := netip.ParseAddr(text); err != nil && text != "" {
			return errors.New("is no IP address; allowed is one such as 10.0.0.7 or fd00::7")
		}
		return nil
	}
	return Text(target, check).As("IP address")
}

// Origins are web origins as browsers send them. Each is scheme, host and port; nothing wider is allowed.
func Origins(target *[]string) Value {
	return List(target, parseOrigin, func(origin string) string { return origin }).As("origins")
}

// parseOrigin returns the origin as browsers write it: in lower case, without the scheme's own port.
func parseOrigin(text string) (string, error) {
	if strings.Contains(text, "*") {
		return "", errors.New("is a wildcard; allowed are explicit origins only, because a browser that sends credentials, " +
			"as SignalR clients do, would let every web site use the hub in its user's name")
	}
	origin, err := url.Parse(strings.ToLower(text))
	if err != nil || origin.Host == "" || origin.User != nil || strings.Trim(origin.Path, "/") != "" ||
		origin.RawQuery != "" || origin.Fragment != "" || !isHost(origin.Hostname()) {
		return "", errors.New("is no origin; allowed is scheme, host and port only, such as https://chat.example.com")
	}
	defaultPort, host := map[string]string{plainScheme: "80", secureScheme: "443"}[origin.Scheme], origin.Host
	if port := origin.Port(); port == "" || port == defaultPort {
		host = strings.TrimSuffix(strings.TrimSuffix(host, ":"+port), ":")
	}
	return origin.Scheme + "://" + host, nil
}

// Networks are IP addresses and networks in CIDR notation.
func Networks(target *[]netip.Prefix) Value {
	return List(target, parseNetwork, netip.Prefix.String).As("networks")
}

func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errors.New("is no network; allowed is an IP address or a network such as 10.0.0.0/8")
	}
	return prefix.Masked(), nil
}

// Path is the path part of an address: it starts with a slash and ends without one. A lone slash becomes empty.
func Path(target *string) Value {
	parse := func(text string) (string, error) {
		path := strings.TrimRight(text, "/")
		if path == "" {
			return "", nil
		}
		if path[0] != '/' || strings.Contains(path, "//") || strings.ContainsAny(path, "?#%{}\\ \t\r\n") {
			return "", errors.New("is no path; allowed is one that begins with a slash, such as /chat, without query or escapes")
		}
		return path, nil
	}
	return bind(target, "path", parse, func(path string) string { return path })
}
