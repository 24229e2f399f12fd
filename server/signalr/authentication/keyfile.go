package authentication

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode"
	"unicode/utf8"
)

// maximumKeyFile bounds what is read of a file, were it /dev/zero.
const maximumKeyFile = 256 << 10

// ReadKeyFile returns the public keys of a PEM file: as many as it has, so that a new key can stand beside the old one
// while tokens of both are about. The error is one line that names the file.
func ReadKeyFile(name string) ([]Key, error) {
	content, err := readBounded(name)
	if err != nil {
		return nil, err
	}
	keys, err := ParseKeys(content)
	if err != nil {
		return nil, fmt.Errorf("key file %s %w", name, err)
	}
	return keys, nil
}

// ReadSecretFile returns the secret for HS256 that a file holds, without the end of its last line. The error is one line
// that names the file.
func ReadSecretFile(name string) (Key, error) {
	content, err := readBounded(name)
	if err != nil {
		return Key{}, err
	}
	key, err := SecretKey(bytes.TrimRight(content, "\r\n"))
	if err != nil {
		return Key{}, fmt.Errorf("key file %s %w", name, err)
	}
	return key, nil
}

func readBounded(name string) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("cannot read the key file: %w", err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maximumKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the key file: %w", err)
	}
	if len(content) > maximumKeyFile {
		return nil, fmt.Errorf("key file %s has more than %d KiB", name, maximumKeyFile>>10)
	}
	return content, nil
}

// KeysOf returns the keys of a text: public keys in PEM as ParseKeys reads them, or secrets for HS256, each on a line of
// its own so that a new one can stand before the old one. A secret of arbitrary bytes is the whole text. The error
// continues a sentence that begins with where the text is from.
func KeysOf(text []byte) ([]Key, error) {
	if bytes.Contains(text, []byte(pemStart)) {
		return ParseKeys(text)
	}
	if looksPublic(text) { // before it is cut into lines, which would not be recognised
		return nil, errPublicSecret
	}
	secrets := [][]byte{text}
	if isText(text) {
		secrets = bytes.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	}
	keys := make([]Key, 0, len(secrets))
	for _, secret := range secrets {
		key, err := SecretKey(secret)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("is empty")
	}
	return keys, nil
}

// isText tells printable text from arbitrary bytes.
func isText(content []byte) bool {
	return utf8.Valid(content) && !bytes.ContainsFunc(content, func(r rune) bool {
		return r != '\n' && r != '\r' && !unicode.IsPrint(r)
	})
}

// ParseKeys returns the public keys of a PEM text, at least one. Its error continues a sentence that begins with where
// the text is from.
func ParseKeys(text []byte) ([]Key, error) {
	var keys []Key
	for number := 1; ; number++ {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		// Decode skips a block that it cannot read and finds the next one: a key would be missing, and nobody told.
		if bytes.Count(text[:len(text)-len(rest)], []byte(pemStart)) > 1 {
			return nil, fmt.Errorf("has a damaged PEM block (number %d)", number)
		}
		public, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("has a PEM block (number %d) of type %q that cannot be used: %w", number, block.Type, err)
		}
		key, err := PublicKey(public)
		if err != nil {
			return nil, fmt.Errorf("has a PEM block (number %d) that cannot be used: it %w", number, err)
		}
		keys, text = append(keys, key), rest
	}
	switch {
	case bytes.Contains(text, []byte(pemStart)):
		return nil, fmt.Errorf("has a damaged PEM block (number %d)", len(keys)+1)
	case len(keys) == 0:
		return nil, errors.New("has no key in PEM; it would begin with -----BEGIN PUBLIC KEY-----")
	}
	return keys, nil
}
