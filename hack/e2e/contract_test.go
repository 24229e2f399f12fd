package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	plain "sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
)

// What the operator writes for hub servers is what the hub server reads: each file that it makes of a sample is loaded by
// the program. Controllers and servers know nothing of each other, so neither can test this alone.
func TestHubServersUnderstandTheFilesOfTheOperator(t *testing.T) {
	hubserver := filepath.Join(t.TempDir(), "hubserver")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", hubserver, "../../server/cmd/hubserver").CombinedOutput(); err != nil {
		t.Fatalf("building the hub server: %v\n%s", err, text)
	}
	goldens, err := filepath.Glob("../../controllers/children/testdata/*.yaml")
	if err != nil || len(goldens) == 0 {
		t.Fatalf("there are no golden files: %v", err)
	}
	for _, golden := range goldens {
		t.Run(strings.TrimSuffix(filepath.Base(golden), ".yaml"), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "hub.yaml")
			if err := os.WriteFile(file, withFilesOf(t, hubConfiguration(t, golden)), 0o600); err != nil {
				t.Fatal(err)
			}
			text, err := exec.CommandContext(t.Context(), hubserver, "config", "--config", file).CombinedOutput()
			if err != nil {
				t.Errorf("the hub server does not take what the operator writes: %v\n%s", err, text)
			}
		})
	}
}

// hubConfiguration is the file of the hub servers in a golden file.
func hubConfiguration(t *testing.T, golden string) []byte {
	t.Helper()
	file, err := os.Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for decoder := yaml.NewYAMLOrJSONDecoder(file, 4096); ; {
		var object appsv1.Deployment
		if err := decoder.Decode(&object); err != nil {
			t.Fatalf("%s has no configuration of hub servers: %v", golden, err)
		}
		if text, found := object.Spec.Template.Annotations[v1alpha1.AnnotationConfiguration]; object.Kind == "Deployment" && found {
			return []byte(text)
		}
	}
}

// withFilesOf lets the keys that name files of a pod name files of a test, and takes out those about certificates.
func withFilesOf(t *testing.T, text []byte) []byte {
	t.Helper()
	keys := map[string]any{}
	if err := plain.UnmarshalStrict(text, &keys); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for key := range keys {
		content := strings.Repeat("secret ", 10)
		switch {
		case strings.HasPrefix(key, "Tls"):
			delete(keys, key)
			continue
		case !strings.HasSuffix(key, "File"):
			continue
		case key == "RedisConnectionFile":
			content = "redis:6379"
		}
		keys[key] = filepath.Join(folder, key)
		if err := os.WriteFile(filepath.Join(folder, key), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if urls, _ := keys["Urls"].(string); strings.HasPrefix(urls, "https") {
		keys["Urls"] = "http" + strings.TrimPrefix(urls, "https") // which needs the certificate
	}
	changed, err := plain.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}
