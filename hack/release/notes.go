package main

import (
	"fmt"
	"regexp"
	"strings"
)

var tagPattern = regexp.MustCompile(`^v(\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?)$`)

// versionOf returns the version in a tag: 1.2.3 of v1.2.3.
func versionOf(tag string) (string, error) {
	match := tagPattern.FindStringSubmatch(tag)
	if match == nil {
		return "", fmt.Errorf("%q is no tag of a release: want one such as v1.2.3 or v1.2.3-rc.1", tag)
	}
	return match[1], nil
}

// notesOf returns what stands in changelog under the heading of version, "## 1.2.3" with or without a date behind it.
func notesOf(changelog, version string) (string, error) {
	for _, section := range strings.Split("\n"+changelog, "\n## ")[1:] {
		heading, text, _ := strings.Cut(section, "\n")
		if name, _, _ := strings.Cut(heading, " "); name != version {
			continue
		}
		if text = strings.TrimSpace(text); text != "" {
			return text + "\n", nil
		}
	}
	return "", fmt.Errorf(`CHANGELOG.md says nothing under "## %s": give what is under "Unreleased" that heading`, version)
}
