package controllers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/chatcluster/chatcluster/api/v1alpha1"
	"github.com/chatcluster/chatcluster/controllers/sampletest"
)

// pages are those that show ChatClusters and annotations.
func pages(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join(sampletest.Folder(), "..", "..")
	texts := map[string]string{}
	for _, page := range []string{"README.md", "server/signalr/README.md", "controllers/README.md", "controllers/OPERATING.md"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		texts[page] = string(text)
	}
	return texts
}

func TestChatClustersThatPagesShowAreSuchAsTheAPIKnows(t *testing.T) {
	shown := 0
	for page, text := range pages(t) {
		for _, block := range strings.Split(text, "```yaml\n")[1:] {
			manifest, _, _ := strings.Cut(block, "```")
			if err := yaml.UnmarshalStrict([]byte(manifest), &v1alpha1.ChatCluster{}); err != nil {
				t.Errorf("%s: %v in\n%s", page, err, manifest)
			}
			shown++
		}
	}
	if shown == 0 {
		t.Error("no page shows a ChatCluster")
	}
}

func TestAnnotationsThatPagesNameAreThoseOfTheAPI(t *testing.T) {
	known := []string{v1alpha1.AnnotationRotateRedisPassword, v1alpha1.AnnotationRotateClusterKey, v1alpha1.AnnotationUpgradeImages,
		v1alpha1.AnnotationAcceptRedisLoss, v1alpha1.AnnotationVersion}
	named := map[string]bool{}
	for page, text := range pages(t) {
		for _, annotation := range regexp.MustCompile(regexp.QuoteMeta(v1alpha1.Group)+`/[a-z-]+[a-z](=|\x60)`).FindAllString(text, -1) {
			annotation = annotation[:len(annotation)-1]
			named[annotation] = true
			if !slices.Contains(known, annotation) {
				t.Errorf("%s names the annotation %s, which nobody heeds", page, annotation)
			}
		}
	}
	for _, annotation := range known {
		if !named[annotation] {
			t.Errorf("no page names the annotation %s", annotation)
		}
	}
}

func TestTheREADMEBuildsTheImagesThatTheChartNames(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(sampletest.Folder(), "..", "..", "charts", "chatcluster", "Chart.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var chart struct {
		AppVersion string `json:"appVersion"`
	}
	if err := yaml.Unmarshal(content, &chart); err != nil {
		t.Fatal(err)
	}
	readme := pages(t)["README.md"]
	for _, want := range []string{
		"make images VERSION=" + chart.AppVersion + "\n",
		"docker.io/chatcluster/operator:" + chart.AppVersion + " docker.io/chatcluster/hubserver:" + chart.AppVersion + "\n",
	} {
		if !strings.Contains(readme, want) {
			t.Errorf("README.md does not say %q", want)
		}
	}
}

func TestThePageOnAlertsKnowsAllReasonsOfDegraded(t *testing.T) {
	for _, reason := range []string{
		v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonNameTaken, v1alpha1.ReasonReferenceMissing, v1alpha1.ReasonRefused,
		v1alpha1.ReasonKindMissing, v1alpha1.ReasonRedisAway, v1alpha1.ReasonHubsMissing, v1alpha1.ReasonRolloutStuck,
		v1alpha1.ReasonRedisWaitingForData, v1alpha1.ReasonRedisMajorityLost, v1alpha1.ReasonRedisWritesRefused, v1alpha1.ReasonRedisAtRisk,
		v1alpha1.ReasonVolumesNotGrown,
	} {
		if !strings.Contains(pages(t)["controllers/OPERATING.md"], "\n| `"+reason+"` | ") {
			t.Errorf("OPERATING.md does not say what to do about %s", reason)
		}
	}
}
