package config

import "slices"

// Check returns what is wrong with keys that do not fit together, as Problem does. It opens no file.
func (c *Config) Check() error {
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
