package redis

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The ports that are meant where none is given, as StackExchange.Redis has them.
const (
	defaultPort    = 6379
	defaultTLSPort = 6380
	sentinelPort   = 26379
)

// ParseConnectionString reads a connection string of StackExchange.Redis
//
//	redis:6379,password=...,ssl=true,channelPrefix=App_,defaultDatabase=1,abortConnect=false
//	sentinel-0,sentinel-1,sentinel-2,serviceName=mymaster,password=...
//
// or a URL, whose query takes the same keys, and those by which go-redis names Sentinels and further servers
//
//	rediss://user:password@redis:6380/1?channelPrefix=App_
//	redis://:password@sentinel-0:26379?addr=sentinel-1:26379&master_name=mymaster
//
// Every key of StackExchange.Redis is honoured, or accepted where it makes no difference here, or refused. The port is 6379
// unless given, 6380 with ssl=true (not in a URL), 26379 with serviceName. A key that comes twice counts the second time. Errors are one line that
// names the key, the value and what is allowed; they never show what is or may be a password.
func ParseConnectionString(value string) (ConnectionString, error) {
	var parser connectionParser
	var err error
	if scheme, _, isURL := strings.Cut(value, "://"); isURL && !strings.ContainsAny(scheme, ",=") {
		err = parser.parseURL(value)
	} else {
		err = parser.parseList(value)
	}
	if err == nil {
		err = parser.settle()
	}
	if err != nil {
		return ConnectionString{}, fmt.Errorf("redis connection string: %w", err)
	}
	return parser.result, nil
}

// connectionParser gathers what the parts of a connection string say.
type connectionParser struct {
	result ConnectionString
	// asyncTimeout takes precedence over syncTimeout wherever it stands.
	asyncTimeout string
	isURL        bool
}

var (
	errEmpty         = errors.New(`it is empty: write host:port, e.g. "redis:6379,password=..."`)
	errNoEndpoint    = errors.New("no endpoint: begin with host:port")
	errManyEndpoints = fmt.Errorf("more than %d endpoints: some of them are enough, the servers name the others", maxSeeds)
	errCommaInSecret = errors.New("what follows password is not a key known here and is not shown, " +
		"it may be the rest of a password with a comma: such a password needs the form redis://:PASSWORD@host:port with %2C for the comma")
	errUnixSocket = errors.New("unix sockets are not supported: give host:port")
	errBadURL     = errors.New("the URL cannot be read: write redis://user:password@host:port/database, " +
		"with special characters of user and password percent-encoded")
	errBadEndpoint       = errors.New("cannot be read: allowed is host:port, or [address]:port for IPv6, with a port from 1 to 65535")
	errUserNeedsPassword = errors.New("user is set but password is not: Redis logs in with both")

	errSentinelUserNeedsPassword = errors.New("sentinelUser is set but sentinelPassword is not: Sentinels log in with both")
	errSentinelNeedsService      = errors.New("sentinelPassword is set but serviceName is not: without it there are no Sentinels")
)

// parseList reads endpoints and key=value pairs between commas.
func (p *connectionParser) parseList(value string) error {
	afterPassword := false
	empty := true
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		empty = false
		name, setting, isPair := strings.Cut(item, "=")
		name = strings.TrimSpace(name)
		var err error
		if isPair && name != "" {
			err = p.set(name, strings.TrimSpace(setting))
		} else {
			err = p.setEndpoint(item)
		}
		var unknown unknownKeyError
		if afterPassword && (!isPair || errors.As(err, &unknown)) {
			return errCommaInSecret // an endpoint in this place may as well be the rest of a password
		}
		if err != nil {
			return err
		}
		afterPassword = strings.EqualFold(name, "password") || strings.EqualFold(name, "sentinelPassword")
	}
	if empty {
		return errEmpty
	}
	return nil
}

// parseURL passes on no error of the net/url package: they quote the URL, with its password.
func (p *connectionParser) parseURL(value string) error {
	value, others := splitHosts(value)
	parsed, err := url.Parse(value)
	if err != nil || parsed.Opaque != "" || parsed.Fragment != "" {
		return errBadURL
	}
	switch parsed.Scheme {
	case "redis":
	case "rediss":
		p.result.TLS = true
	default:
		return errors.New("unknown scheme: allowed are redis:// and rediss://")
	}
	p.result.User = parsed.User.Username()
	p.result.Password, _ = parsed.User.Password()
	if parsed.Host == "" {
		parsed.Host = "localhost"
	}
	p.isURL = true
	for _, endpoint := range append([]string{parsed.Host}, others...) {
		if err := p.setEndpoint(endpoint); err != nil {
			return err
		}
	}
	// A path that is no number may be the rest of a password with a slash, and is not shown.
	if database := strings.Trim(parsed.Path, "/"); database != "" && !setDatabase(&p.result, database) {
		return errBadURL
	}
	return p.parseQuery(parsed.RawQuery)
}

func (p *connectionParser) parseQuery(query string) error {
	settings, err := url.ParseQuery(query)
	if err != nil {
		return errBadURL
	}
	encrypted := p.result.TLS
	if err := p.takeGoRedis(settings); err != nil {
		return err
	}
	// In the order of the table: the error for a string with two faults is always the same.
	for _, key := range connectionKeys {
		for name, values := range settings {
			if !strings.EqualFold(name, key.name) {
				continue
			}
			if err := p.set(name, values[len(values)-1]); err != nil {
				return err
			}
			delete(settings, name)
		}
	}
	if len(settings) > 0 {
		return unknownKeyError{slices.Min(slices.Collect(maps.Keys(settings)))}
	}
	if p.result.TLS != encrypted {
		return errors.New("ssl contradicts the URL's scheme: write rediss:// for TLS and redis:// for none")
	}
	return nil
}

// set applies one key.
func (p *connectionParser) set(name, value string) error {
	key, known := findKey(name)
	if !known {
		return unknownKeyError{name}
	}
	if key.name == "asyncTimeout" {
		p.asyncTimeout = value
	}
	return key.apply(&p.result, value)
}

// settle fills in what depends on several keys.
func (p *connectionParser) settle() error {
	c := &p.result
	if len(c.Endpoints) == 0 {
		return errNoEndpoint
	}
	for i := range c.Endpoints {
		c.Endpoints[i].Port = cmp.Or(c.Endpoints[i].Port, p.standardPort())
	}
	if p.asyncTimeout != "" {
		setTimeout(c, p.asyncTimeout)
	}
	switch {
	case c.User != "" && c.Password == "":
		return errUserNeedsPassword
	case c.SentinelUser != "" && c.SentinelPassword == "":
		return errSentinelUserNeedsPassword
	case c.SentinelPassword != "" && c.ServiceName == "":
		return errSentinelNeedsService
	}
	return nil
}

func (p *connectionParser) standardPort() int {
	switch {
	case p.result.ServiceName != "":
		return sentinelPort
	case p.result.TLS && !p.isURL:
		return defaultTLSPort
	default:
		return defaultPort
	}
}

// unknownKeyError names a key unless it does not look like one: then it may be a piece of a password.
type unknownKeyError struct{ name string }

func (e unknownKeyError) Error() string {
	if strings.HasPrefix(e.name, "$") {
		return "renamed commands ($COMMAND=...) are not supported"
	}
	for _, character := range e.name {
		if (character < 'a' || character > 'z') && (character < 'A' || character > 'Z') {
			return "it has an unknown key (not shown, it may belong to a password); known are " + knownKeys()
		}
	}
	return fmt.Sprintf("unknown key %s: known are %s", e.name, knownKeys())
}

func knownKeys() string {
	names := make([]string, len(connectionKeys))
	for i, key := range connectionKeys {
		names[i] = key.name
	}
	return strings.Join(names, ", ")
}

// setEndpoint reads host, host:port, [IPv6]:port or a bare IPv6 address.
func (p *connectionParser) setEndpoint(endpoint string) error {
	if len(p.result.Endpoints) >= maxSeeds {
		return errManyEndpoints
	}
	if strings.HasPrefix(endpoint, "!") || strings.HasPrefix(endpoint, "/") {
		return errUnixSocket
	}
	host, port, hasPort := splitEndpoint(endpoint)
	if !isHost(host) {
		return fmt.Errorf("the endpoint %w", errBadEndpoint)
	}
	if !hasPort {
		p.add(Endpoint{Host: host})
		return nil
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if errors.Is(err, strconv.ErrRange) || err == nil && number == 0 {
		return fmt.Errorf("endpoint %q %w", endpoint, errBadEndpoint)
	}
	// What has no number behind the colon may be a user with a password, and is not shown.
	if err != nil {
		return fmt.Errorf("the endpoint %w", errBadEndpoint)
	}
	p.add(Endpoint{Host: host, Port: int(number)})
	return nil
}

func (p *connectionParser) add(endpoint Endpoint) {
	p.result.Endpoints = append(p.result.Endpoints, endpoint)
}

func splitEndpoint(endpoint string) (host, port string, hasPort bool) {
	if inside, found := strings.CutPrefix(endpoint, "["); found {
		host, rest, closed := strings.Cut(inside, "]")
		port, hasPort = strings.CutPrefix(rest, ":")
		if !closed || !strings.Contains(host, ":") || rest != "" && !hasPort {
			return "", "", false
		}
		return host, port, hasPort
	}
	if strings.Count(endpoint, ":") > 1 {
		return endpoint, "", false
	}
	return strings.Cut(endpoint, ":")
}

// isHost takes host names and addresses. What has other characters is no host, and perhaps a secret in the wrong place.
func isHost(host string) bool {
	if strings.Contains(host, ":") {
		_, err := netip.ParseAddr(host)
		return err == nil
	}
	for _, character := range []byte(host) {
		switch {
		case character >= 'a' && character <= 'z', character >= 'A' && character <= 'Z', character >= '0' && character <= '9':
		case character == '.', character == '-', character == '_':
		default:
			return false
		}
	}
	return host != ""
}
