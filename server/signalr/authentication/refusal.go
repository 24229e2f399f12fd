package authentication

import (
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// TokenError says why a token is refused. It holds nothing of the token but its dates, issuer and audience, and these
// only if its signature is good.
type TokenError struct {
	// Description is what the client is told, in ASP.NET Core's words; "" for what is no token at all.
	Description string
}

// Error implements error.
func (e *TokenError) Error() string {
	if e.Description == "" {
		return "the token cannot be read"
	}
	return e.Description
}

// refusal words an error of the library as ASP.NET Core does.
func (j *JWT) refusal(err error, token *jwt.Token, claims jwt.MapClaims) *TokenError {
	switch {
	case token != nil && token.Header["alg"] == jwt.SigningMethodNone.Alg():
		return &TokenError{"The signature is invalid"}
	case errors.Is(err, jwt.ErrTokenInvalidClaims):
		return &TokenError{j.claimsRefusal(err, claims)}
	case errors.Is(err, jwt.ErrTokenUnverifiable), errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return &TokenError{"The signature key was not found"}
	}
	return &TokenError{}
}

// claimsRefusal names the first thing that is wrong with the claims, in the order in which ASP.NET Core looks at them.
func (j *JWT) claimsRefusal(err error, claims jwt.MapClaims) string {
	expires, problem := claims.GetExpirationTime()
	begins, otherProblem := claims.GetNotBefore()
	switch {
	case problem != nil || otherProblem != nil || checkDates(claims) != nil:
		return ""
	case expires == nil:
		return "The token has no expiration"
	case begins != nil && begins.After(expires.Time):
		return fmt.Sprintf("The token lifetime is invalid; NotBefore: '%s', Expires: '%s'", dotnetTime(begins), dotnetTime(expires))
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return fmt.Sprintf("The token is not valid before '%s'", dotnetTime(begins))
	case errors.Is(err, jwt.ErrTokenExpired):
		return fmt.Sprintf("The token expired at '%s'", dotnetTime(expires))
	}
	return j.partyRefusal(err, claims)
}

func (j *JWT) partyRefusal(err error, claims jwt.MapClaims) string {
	audience, problem := claims.GetAudience()
	issuer, otherProblem := claims.GetIssuer()
	audienceMissing := len(j.options.Audiences) > 0 && strings.Join(audience, "") == ""
	switch {
	case problem != nil || otherProblem != nil:
		return ""
	case errors.Is(err, jwt.ErrTokenInvalidAudience), audienceMissing:
		return fmt.Sprintf("The audience '%s' is invalid", quotable(strings.Join(audience, ", ")))
	case errors.Is(err, jwt.ErrTokenInvalidIssuer), errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return fmt.Sprintf("The issuer '%s' is invalid", quotable(issuer))
	}
	return ""
}

// dotnetTime is a time as .NET writes it in the invariant culture.
func dotnetTime(date *jwt.NumericDate) string { return date.UTC().Format("01/02/2006 15:04:05") }

// quotable makes a text fit to stand inside a quoted string of a header, at bounded length.
func quotable(text string) string {
	const most = 200
	if text == "" {
		return "(null)"
	}
	if len(text) > most {
		text = text[:most]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, text)
}
