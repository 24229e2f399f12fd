package children_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/sampletest"
)

// TestTheHubServerTakesEachConfiguration asks the hub server itself, as a program: the operator imports nothing of it.
func TestTheHubServerTakesEachConfiguration(t *testing.T) {
	program := filepath.Join(t.TempDir(), "hubserver")
	output, err := exec.Command("go", "build", "-o", program, "../../server/cmd/hubserver").CombinedOutput()
	if err != nil {
		t.Fatalf("build the hub server: %v\n%s", err, output)
	}
	samples, err := filepath.Glob(filepath.Join(sampletest.Folder(), "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range samples {
		name := filepath.Base(sample)
		if name == "kustomization.yaml" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			config, err := children.HubConfigMap(wanted(t, name))
			if err != nil {
				t.Fatal(err)
			}
			folder := secrets(t)
			file := filepath.Join(folder, "hub.yaml")
			text := strings.ReplaceAll(config.Data["hub.yaml"], "/etc/chatcluster", folder)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			command := exec.Command(program, "config", "--config", file)
			command.Env = []string{"POD_IP=10.0.0.7"}
			if output, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v: %s\n%s", err, output, text)
			}
		})
	}
}

// secrets are the files that the Secrets of a ChatCluster become in a hub server.
func secrets(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range map[string]string{
		"redis/password": "secret", "redis/connection": "redis.example.com:6380,password=x,ssl=true",
		"key/key":     strings.Repeat("k", 64),
		"tokens/key":  fmt.Sprint(sampletest.Documents(t, "tls.yaml")[0]["stringData"].(map[string]any)["public.pem"]),
		"tls/tls.crt": "", "tls/tls.key": "",
	} {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}
