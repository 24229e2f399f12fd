package config

import (
	"fmt"
	"regexp"
	"strings"
)

// serviceLink matches the variables that Kubernetes puts into every container for each Service of its namespace:
// one named chatcluster or chatcluster-something gets names that begin with Prefix.
var serviceLink = regexp.MustCompile(
	`^` + Prefix + `(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// readEnvironment returns what the environment has for keys, for each the variable that counts most first. An
// empty variable counts as absent: that is how compose files and manifests pass one on that is not set.
func readEnvironment(keys []Key, environ []string) ([]given, error) {
	texts := map[string]string{}
	for _, variable := range environ {
		if name, text, _ := strings.Cut(variable, "="); text != "" {
			texts[name] = text
		}
	}
	var result []given
	known := map[string]bool{}
	for _, key := range keys {
		for _, name := range key.variables() {
			known[name] = true
			if text, found := texts[name]; found {
				result = append(result, given{key: key.Name, text: text, origin: Origin{SourceEnvironment, name}})
			}
		}
	}
	return result, unknownVariable(keys, environ, known)
}

// unknownVariable refuses variables with our prefix that belong to no key: a slip in a name would else go unnoticed.
func unknownVariable(keys []Key, environ []string, known map[string]bool) error {
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, Prefix) || known[name] || serviceLink.MatchString(name) {
			continue
		}
		names := make([]string, 0, len(keys))
		for _, key := range keys {
			names = append(names, key.Variable())
		}
		reason := fmt.Sprintf("unknown environment variable %s%s", name, suggestion(name, names))
		return &Error{Origin: Origin{SourceEnvironment, name}, Reason: reason}
	}
	return nil
}
