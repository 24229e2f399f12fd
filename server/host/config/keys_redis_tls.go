package config

// redisTLSKeys are about the certificates of the connections to Redis.
func (c *Config) redisTLSKeys() []Key {
	const group = "Redis"
	return []Key{
		{
			Name: "RedisTlsCaFile", Group: group, Value: File(&c.RedisTLSCAFile),
			Description: "PEM file with the authorities that may vouch for Redis, instead of those of the system. It is read for each connection. RedisConnection must say ssl=true or rediss://.",
		},
		{
			Name: "RedisTlsCertificateFile", Group: group, Value: File(&c.RedisTLSCertificateFile),
			Description: "PEM file with the certificate that proves this server to Redis. It is read for each connection: a new one needs no restart.",
		},
		{
			Name: "RedisTlsKeyFile", Group: group, Value: File(&c.RedisTLSKeyFile),
			Description: "PEM file with the private key of that certificate.",
		},
	}
}

func (c *Config) checkRedisTLS() error {
	files := []struct{ key, value string }{
		{"RedisTlsCaFile", c.RedisTLSCAFile},
		{"RedisTlsCertificateFile", c.RedisTLSCertificateFile},
		{"RedisTlsKeyFile", c.RedisTLSKeyFile},
	}
	for _, file := range files {
		if file.value != "" && !encrypted(c.RedisConnection) {
			return Problem(file.key, "is given, but RedisConnection does not say ssl=true or rediss://")
		}
	}
	switch {
	case c.RedisTLSCertificateFile != "" && c.RedisTLSKeyFile == "":
		return Problem("RedisTlsKeyFile", "is missing; RedisTlsCertificateFile needs its private key")
	case c.RedisTLSKeyFile != "" && c.RedisTLSCertificateFile == "":
		return Problem("RedisTlsCertificateFile", "is missing; RedisTlsKeyFile needs its certificate")
	}
	return nil
}
