package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheDomainOfTheClusterIsThatOfTheResolver(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"a pod":                {"nameserver 10.96.0.10\nsearch chat.svc.example.org svc.example.org example.org corp.example\noptions ndots:5\n", "example.org"},
		"with a dot":           {"search chat.svc.example.org. svc.example.org. example.org.\n", "example.org"},
		"outside of a cluster": {"nameserver 127.0.0.53\nsearch corp.example\n", "cluster.local"},
		"nothing":              {"", "cluster.local"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "resolv.conf")
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := clusterDomain(file); got != c.want {
				t.Errorf("the domain is %s, want %s", got, c.want)
			}
		})
	}
	if got := clusterDomain(filepath.Join(t.TempDir(), "absent")); got != "cluster.local" {
		t.Errorf("without a file the domain is %s", got)
	}
}
