package children_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/children"
	"github.com/chatcluster/chatcluster/controllers/sampletest"
)

const encrypted = "one server of Redis with TLS"

// oneEncryptedServer is what no sample has.
func oneEncryptedServer(t *testing.T) children.Wanted {
	t.Helper()
	w := wanted(t, "minimal.yaml")
	w.Cluster.Spec.Redis.TLS = &v1alpha1.RedisTLSSpec{SecretName: "redis-tls"}
	return w
}

// The certificate of one server is for the name of its Service, and its probes speak TLS.
func TestOneServerOfRedisWithTLS(t *testing.T) {
	w := oneEncryptedServer(t)
	hub := hubConfiguration(t, w)
	if want := "RedisConnection: minimal-redis.default.svc.cluster.local:6379,ssl=true,"; !strings.Contains(hub, want) {
		t.Errorf("hub servers have not %q:\n%s", want, hub)
	}
	if redis := children.RedisConfigMap(w).Data["redis.conf"]; !strings.Contains(redis, "\nport 0\ntls-port 6379\n") {
		t.Errorf("Redis takes connections without TLS:\n%s", redis)
	}
	set, err := children.RedisStatefulSet(w)
	if err != nil {
		t.Fatal(err)
	}
	container := set.Spec.Template.Spec.Containers[0]
	for _, probe := range []*coreac.ProbeApplyConfiguration{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
		if command := strings.Join(probe.Exec.Command, " "); !strings.Contains(command, "redis-cli --tls ") {
			t.Errorf("a probe speaks no TLS: %s", command)
		}
	}
}

// takenByTheHubServer returns what fails a test if the hub server refuses the configuration of a ChatCluster. It asks the hub server
// itself, as a program: the operator imports nothing of it.
func takenByTheHubServer(t *testing.T) func(*testing.T, children.Wanted) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "hubserver")
	output, err := exec.Command("go", "build", "-o", program, "../../server/cmd/hubserver").CombinedOutput()
	if err != nil {
		t.Fatalf("build the hub server: %v\n%s", err, output)
	}
	return func(t *testing.T, w children.Wanted) {
		t.Helper()
		folder := secrets(t)
		file := filepath.Join(folder, "hub.yaml")
		text := strings.ReplaceAll(hubConfiguration(t, w), "/etc/chatcluster", folder)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		command := exec.Command(program, "config", "--config", file)
		command.Env = []string{"POD_IP=10.0.0.7"}
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, output, text)
		}
	}
}

func TestTheHubServerTakesEachConfiguration(t *testing.T) {
	samples, err := filepath.Glob(filepath.Join(sampletest.Folder(), "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]children.Wanted{encrypted: oneEncryptedServer(t)}
	for _, sample := range samples {
		if name := filepath.Base(sample); name != "kustomization.yaml" {
			all[name] = wanted(t, name)
		}
	}
	taken := takenByTheHubServer(t)
	for name, w := range all {
		t.Run(name, func(t *testing.T) { taken(t, w) })
	}
}

// Hub servers that refuse what the API server has taken are a roll-out that sticks.
func TestTheHubServerTakesTheBoundsOfEachNumber(t *testing.T) {
	taken := takenByTheHubServer(t)
	all := append(numbers(t, "hub"), numbers(t, "backplane")...)
	if len(all) < 15 {
		t.Fatalf("there are %d numbers: are they not where this test looks?", len(all))
	}
	for _, number := range all {
		for _, value := range []int64{number.least, number.greatest} {
			t.Run(fmt.Sprintf("%s=%d", strings.Join(number.path, "."), value), func(t *testing.T) {
				spec := map[string]any{
					"hub":       map[string]any{"authentication": map[string]any{"key": map[string]any{"name": "tokens", "key": "key"}}},
					"backplane": map[string]any{"mode": "Streams", "streams": map[string]any{}},
				}
				if err := unstructured.SetNestedField(spec, value, number.path...); err != nil {
					t.Fatal(err)
				}
				taken(t, wantedOf(t, spec))
			})
		}
	}
}

// What the API server takes of spec.drain the hub server must find room for in its timeout.
func TestTheHubServerTakesEachDrain(t *testing.T) {
	taken := takenByTheHubServer(t)
	for _, delay := range []int64{0, 10, 600} {
		for _, period := range []int64{0, 28, 3600} {
			for _, timeout := range []int64{0, period + 1, 7200} {
				t.Run(fmt.Sprintf("delay %d, period %d, timeout %d", delay, period, timeout), func(t *testing.T) {
					drain := map[string]any{"delaySeconds": delay, "periodSeconds": period}
					if timeout > 0 {
						drain["timeoutSeconds"] = timeout
					}
					taken(t, wantedOf(t, map[string]any{"drain": drain}))
				})
			}
		}
	}
}

// wantedOf is minimal.yaml with another spec.
func wantedOf(t *testing.T, spec map[string]any) children.Wanted {
	t.Helper()
	manifest, err := yaml.Marshal(map[string]any{"kind": "ChatCluster", "metadata": map[string]any{"name": "minimal"}, "spec": spec})
	if err != nil {
		t.Fatal(err)
	}
	w := wanted(t, "minimal.yaml")
	w.Cluster = sampletest.Parse(t, string(manifest))
	return w
}

// number is a field of the spec with a least and a greatest value.
type number struct {
	path            []string
	least, greatest int64
}

// numbers are those in a part of the spec, as the definition of the kind has them, but for those in lists.
func numbers(t *testing.T, part string) []number {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(sampletest.CRDFolder(), "chatcluster.dev_chatclusters.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(text, definition); err != nil {
		t.Fatal(err)
	}
	spec := definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	return numbersIn(spec.Properties[part], []string{part})
}

func numbersIn(schema apiextensionsv1.JSONSchemaProps, path []string) []number {
	if schema.Type == "integer" && schema.Minimum != nil && schema.Maximum != nil {
		return []number{{path, int64(*schema.Minimum), int64(*schema.Maximum)}}
	}
	var found []number
	for name, property := range schema.Properties {
		found = append(found, numbersIn(property, append(slices.Clone(path), name))...)
	}
	return found
}

// TestEachFileIsMounted looks for every file that a configuration names, and for every volume, in the container's mounts.
func TestEachFileIsMounted(t *testing.T) {
	all := map[string]children.Wanted{encrypted: oneEncryptedServer(t)}
	for _, sample := range []string{"demo.yaml", "external-redis.yaml", "tls.yaml"} {
		all[sample] = wanted(t, sample)
	}
	for sample, w := range all {
		hub, err := children.HubDeployment(w)
		if err != nil {
			t.Fatal(err)
		}
		pod := hub.Spec.Template.Spec
		checkMounts(t, sample, pod, hubConfiguration(t, w)+" "+strings.Join(pod.Containers[0].Args, " "))
		if !w.Managed() {
			continue
		}
		redis, err := children.RedisStatefulSet(w)
		if err != nil {
			t.Fatal(err)
		}
		pod = redis.Spec.Template.Spec
		checkMounts(t, sample, pod, children.RedisConfigMap(w).Data["redis.conf"]+" "+strings.Join(pod.Containers[0].Command, " "))
	}
}

// hubConfiguration is the file that a pod of hub servers reads at its start. It comes from the pod itself: what is wanted later, and
// may be wrong, does not reach a pod that serves.
func hubConfiguration(t *testing.T, w children.Wanted) string {
	t.Helper()
	hub, err := children.HubDeployment(w)
	if err != nil {
		t.Fatal(err)
	}
	template := hub.Spec.Template
	container := template.Spec.Containers[0]
	if len(container.Args) != 2 || container.Args[0] != "--config" {
		t.Fatalf("the arguments of hub servers are %q", container.Args)
	}
	folder, name := filepath.Split(container.Args[1])
	for _, mount := range container.VolumeMounts {
		if *mount.MountPath != filepath.Clean(folder) {
			continue
		}
		for _, volume := range template.Spec.Volumes {
			if *volume.Name != *mount.Name || volume.DownwardAPI == nil {
				continue
			}
			for _, item := range volume.DownwardAPI.Items {
				for key, text := range template.Annotations {
					if *item.Path == name && *item.FieldRef.FieldPath == "metadata.annotations['"+key+"']" {
						return text
					}
				}
			}
		}
	}
	t.Fatalf("no annotation of the pod becomes %s", container.Args[1])
	return ""
}

func checkMounts(t *testing.T, sample string, pod *coreac.PodSpecApplyConfiguration, text string) {
	t.Helper()
	container := pod.Containers[0]
	for _, volume := range pod.Volumes {
		if !slices.ContainsFunc(container.VolumeMounts, func(mount coreac.VolumeMountApplyConfiguration) bool { return *mount.Name == *volume.Name }) {
			t.Errorf("%s: volume %s of %s is mounted nowhere", sample, *volume.Name, *container.Name)
		}
	}
	for _, file := range regexp.MustCompile(`/(etc/)?chatcluster/[^\s]+`).FindAllString(text, -1) {
		if !slices.ContainsFunc(container.VolumeMounts, func(mount coreac.VolumeMountApplyConfiguration) bool {
			return filepath.Dir(file) == *mount.MountPath
		}) {
			t.Errorf("%s: nothing is mounted at %s for %s", sample, filepath.Dir(file), *container.Name)
		}
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
