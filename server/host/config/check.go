package config

import (
	"slices"
	"time"

	"github.com/chatcluster/chatcluster/server/host/drain"
)

// Check returns what is wrong with keys that do not fit together, as Problem does. It opens no file.
func (c *Config) Check() error {
	for _, check := range []func() error{c.checkTLS, c.checkRedisTLS, c.checkAuthentication, c.checkSecrets, c.checkShutdown, c.checkBackplane} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkTLS() error {
	tls := slices.ContainsFunc(c.URLs, func(address Address) bool { return address.TLS })
	switch {
	case c.TLSCertificateFile != "" && c.TLSKeyFile == "":
		return Problem("TlsKeyFile", "is missing; TlsCertificateFile needs its private key")
	case c.TLSKeyFile != "" && c.TLSCertificateFile == "":
		return Problem("TlsCertificateFile", "is missing; TlsKeyFile needs its certificate")
	case tls && c.TLSCertificateFile == "":
		return Problem("Urls", "has an https address, which needs TlsCertificateFile and TlsKeyFile")
	case !tls && c.TLSCertificateFile != "":
		return Problem("TlsCertificateFile", "is given, but no address of Urls begins with https://")
	}
	return nil
}

// checkAuthentication finds what only makes sense with a key: without one, whoever set it would believe that the server is
// protected.
func (c *Config) checkAuthentication() error {
	const needsKey = "is given, but there is no JwtKey or JwtKeyFile to check tokens with"
	switch {
	case c.JWTKey != "":
		return nil
	case c.RequireAuthentication != nil && *c.RequireAuthentication:
		return Problem("RequireAuthentication", needsKey)
	case c.JWTIssuer != "":
		return Problem("JwtIssuer", needsKey)
	case len(c.JWTAudiences) > 0:
		return Problem("JwtAudiences", needsKey)
	case c.JWTUserClaim != "":
		return Problem("JwtUserClaim", needsKey)
	}
	return nil
}

func (c *Config) checkSecrets() error {
	switch {
	case c.RedisPassword != "" && c.RedisConnection == "":
		return Problem("RedisPassword", "is given, but there is no RedisConnection that it could be for")
	case c.ClusterKeyPrevious != "" && c.ClusterKey == "":
		return Problem("ClusterKeyPrevious", "is given, but there is no ClusterKey that it could stand beside")
	}
	return nil
}

func (c *Config) checkShutdown() error {
	draining, budget := c.DrainDelay+c.DrainPeriod, drain.Budget(c.ShutdownTimeout)
	if draining <= budget {
		return nil
	}
	return Problem("ShutdownTimeout", "is %s, of which %s are for the end itself: DrainDelay and DrainPeriod, together %s, do not fit; allowed is %s or more",
		formatDuration(c.ShutdownTimeout), formatDuration(c.ShutdownTimeout-budget), formatDuration(draining),
		formatDuration(wholeSeconds(drain.TimeoutFor(draining))))
}

// wholeSeconds rounds up: people write whole seconds.
func wholeSeconds(of time.Duration) time.Duration {
	return (of + time.Second - 1).Truncate(time.Second)
}
