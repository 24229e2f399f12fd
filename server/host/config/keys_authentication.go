package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chatcluster/chatcluster/server/signalr/authentication"
)

func (c *Config) authenticationKeys() []Key {
	const group, bearer = "Authentication", "Authentication:Schemes:Bearer:"
	key := WithFile(Key{
		Name: "JwtKey", Group: group, Value: jwtKey(&c.JWTKey), Secret: true, Variables: []string{"JWT_KEY"},
		Description: "Key of the JSON Web Tokens that clients show: a secret of 32 bytes or more for HS256, or public keys in PEM for RS256 and ES256. " +
			"Several secrets are a line each.",
	}, &c.JWTKeyFile)
	return append(key,
		Key{
			Name: "RequireAuthentication", Group: group, Value: optionalSwitch(&c.RequireAuthentication),
			Description: "Turn away clients without a valid token. If there is a JwtKey that is so unless this says false: then they are anonymous.",
		},
		Key{
			Name: "JwtIssuer", Group: group, Value: Text(&c.JWTIssuer, nil),
			Variables: []string{"JWT_ISSUER", "Authentication__Schemes__Bearer__ValidIssuer"}, Aliases: []string{bearer + "ValidIssuer"},
			Description: "Issuer that tokens must name. Any, unless set.",
		},
		Key{
			Name: "JwtAudiences", Group: group, Value: audiences(&c.JWTAudiences),
			Variables:   []string{"JWT_AUDIENCE", "Authentication__Schemes__Bearer__ValidAudience"},
			Aliases:     []string{"JwtAudience", bearer + "ValidAudience", bearer + "ValidAudiences"},
			Description: "Audiences of which tokens must name one. Any, unless set.",
		},
		Key{
			Name: "JwtUserClaim", Group: group, Value: Text(&c.JWTUserClaim, nil),
			Description: "Claim that names the user and that every token must have. Unless set it is sub, nameid or .NET's name identifier, and a token may have none.",
		},
		Key{
			Name: "JwtClockSkew", Group: group, Default: "30s", Value: Duration(&c.JWTClockSkew, 0, time.Hour),
			Description: "How far the clock of who makes the tokens may be off. A connection ends that much after its token expires.",
		})
}

// audiences is one or more: who gives the key wants tokens to be checked, and a slip of the pen must not let all of them in.
func audiences(target *[]string) Value {
	parse := func(items []string) ([]string, error) {
		if len(items) == 0 {
			return nil, errors.New("names no audience; leave the key out if tokens may name any")
		}
		return items, nil
	}
	return list(target, parse, func(items []string) string { return strings.Join(items, ",") })
}

// jwtKey is one or more keys of tokens; empty means that there is none.
func jwtKey(target *string) Value {
	check := func(text string) error {
		if text == "" {
			return nil
		}
		if _, err := authentication.KeysOf([]byte(text)); err != nil {
			return fmt.Errorf("%w", err)
		}
		return nil
	}
	return Text(target, check).As("secret or PEM")
}

// optionalSwitch is a switch that starts out neither true nor false.
func optionalSwitch(target **bool) Value {
	parse := func(text string) (*bool, error) {
		if text == "" {
			return nil, nil
		}
		value, err := parseSwitch(text)
		return &value, err
	}
	value := bind(target, "true or false", parse, func(value *bool) string {
		if value == nil {
			return ""
		}
		return strconv.FormatBool(*value)
	})
	value.Switch = true
	return value
}
