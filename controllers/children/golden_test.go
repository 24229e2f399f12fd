package children_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/rotation"
	"github.com/chatcluster/chatcluster/controllers/sampletest"
)

var update = flag.Bool("update", false, "write the golden files")

// TestSamplesBecomeTheseObjects shows all that the operator makes of each sample. Run it with -update after a change that is
// meant, and read what it changes: each difference is a roll-out at somebody's.
func TestSamplesBecomeTheseObjects(t *testing.T) {
	samples, err := filepath.Glob(filepath.Join(sampletest.Folder(), "*.yaml"))
	if err != nil || len(samples) == 0 {
		t.Fatalf("there are no samples: %v", err)
	}
	for _, sample := range samples {
		name := filepath.Base(sample)
		if name == "kustomization.yaml" {
			continue
		}
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			golden := filepath.Join("testdata", name)
			got := render(t, wanted(t, name))
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if difference := cmp.Diff(string(want), string(got)); difference != "" {
				t.Errorf("the objects are not those of %s (-want +got):\n%s", golden, difference)
			}
		})
	}
}

// KEDA asks Prometheus, which names a job after the Service that it found its targets by.
func TestTheSampleForKEDAAsksForTheMetricsOfItsHubServers(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(sampletest.Folder(), "keda.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	job := fmt.Sprintf("job=%q", children.MetricsName(sampletest.Cluster(t, "keda.yaml").Name))
	if !strings.Contains(string(text), job) {
		t.Errorf("keda.yaml does not ask for %s", job)
	}
}

func wanted(t *testing.T, sample string) children.Wanted {
	t.Helper()
	cluster := sampletest.Cluster(t, sample)
	w := children.Wanted{
		Cluster: cluster, HubImage: "hubserver:1", RedisImage: "redis:7.0", Replicas: 2, HubContent: "content",
		RedisLineage: "lineage", OperatorNamespace: "chatcluster-system", ClusterDomain: "cluster.local",
	}
	if cluster.Spec.Replicas != nil {
		w.Replicas = *cluster.Spec.Replicas
	}
	return w
}

// render writes all objects that are wanted, the Secrets with secrets that are none.
func render(t *testing.T, w children.Wanted) []byte {
	t.Helper()
	list, err := children.List(w)
	if err != nil {
		t.Fatal(err)
	}
	objects := []any{children.ClusterKey(w.Cluster, rotation.Secret{Current: "not-a-key", Lineage: "lineage"})}
	if w.Managed() {
		objects = append(objects, children.RedisAuth(w.Cluster, rotation.Secret{
			Current: "not-a-password", Other: "another", Stage: rotation.Introducing, Lineage: "lineage", Answered: "1",
			Since: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
		}))
	}
	for _, child := range list {
		if child.Wanted() {
			objects = append(objects, child.Configuration)
		}
	}
	var documents []string
	for _, object := range objects {
		document, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, string(document))
	}
	return []byte(strings.Join(documents, "---\n"))
}
