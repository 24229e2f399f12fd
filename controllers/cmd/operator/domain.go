package main

import (
	"os"
	"strings"
)

const (
	// resolverFile says to a pod where it looks for names.
	resolverFile = "/etc/resolv.conf"
	// usualDomain is that of most Kubernetes clusters.
	usualDomain = "cluster.local"
)

// clusterDomain is the domain of the Kubernetes cluster, in which its Services are under svc.
func clusterDomain(file string) string {
	content, err := os.ReadFile(file) //nolint:gosec // it is a constant
	if err != nil {
		return usualDomain
	}
	for line := range strings.Lines(string(content)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "search" {
			continue
		}
		for _, domain := range words[1:] {
			if found, ok := strings.CutPrefix(strings.TrimSuffix(domain, "."), "svc."); ok && found != "" {
				return found
			}
		}
	}
	return usualDomain
}
