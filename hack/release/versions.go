package main

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	chartPath    = "charts/chatcluster/Chart.yaml"
	manifestPath = "config/install.yaml"
)

// imagePattern finds our images and their tags, as fields and as flags of the operator.
var imagePattern = regexp.MustCompile(`docker\.io/chatcluster/([a-z]+):([^\s"']+)`)

// namedPattern finds where a page names a version of ours: that of an image or of the library, or one in a variable or a flag. Other
// programs have versions too.
var namedPattern = regexp.MustCompile(
	`(?:chatcluster/(?:operator|hubserver):|chatcluster/chatcluster@v|(?i:\bversion)=|--version |\.tag=)(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]*[0-9A-Za-z])?)`)

// checkNamed complains about pages that name another version than the one they are of. Images of one's own are of it too if a number
// follows behind a hyphen, as in 1.2.3-2.
func checkNamed(checkout fs.FS, version string) error {
	own := regexp.MustCompile(`^` + regexp.QuoteMeta(version) + `(-\d+)?$`)
	var problems []error
	for _, page := range []string{"README.md", "SECURITY.md"} {
		content, err := fs.ReadFile(checkout, page)
		if err != nil {
			problems = append(problems, fmt.Errorf("reading a page: %w", err))
			continue
		}
		for _, match := range namedPattern.FindAllStringSubmatch(string(content), -1) {
			if !own.MatchString(match[1]) {
				problems = append(problems, fmt.Errorf("%s says %q, want version %s", page, match[0], version))
			}
		}
	}
	return errors.Join(problems...)
}

// checkPages complains about pages that say what is right before the first release only.
func checkPages(checkout fs.FS) error {
	var problems []error
	for _, page := range []string{"README.md", "CHANGELOG.md"} {
		content, err := fs.ReadFile(checkout, page)
		if err != nil {
			problems = append(problems, fmt.Errorf("reading a page: %w", err))
			continue
		}
		if text := strings.Join(strings.Fields(string(content)), " "); strings.Contains(text, "no release yet") {
			problems = append(problems, fmt.Errorf("%s says that there is no release yet: CONTRIBUTING.md says what comes instead", page))
		}
	}
	return errors.Join(problems...)
}

// checkChart complains about a chart of another version, or one that installs images of another.
func checkChart(checkout fs.FS, version string) error {
	content, err := fs.ReadFile(checkout, chartPath)
	if err != nil {
		return fmt.Errorf("reading the chart: %w", err)
	}
	var chart struct{ Version, AppVersion string }
	if err := yaml.Unmarshal(content, &chart); err != nil {
		return fmt.Errorf("reading %s: %w", chartPath, err)
	}
	var problems []error
	if chart.Version != version {
		problems = append(problems, fmt.Errorf("%s: version is %q, want %q", chartPath, chart.Version, version))
	}
	if chart.AppVersion != version {
		problems = append(problems, fmt.Errorf("%s: appVersion is %q, want %q", chartPath, chart.AppVersion, version))
	}
	return errors.Join(problems...)
}

// checkManifest complains about install.yaml if it lacks one of our images, or has one or the definition of the kind of another
// version.
func checkManifest(checkout fs.FS, version string) error {
	content, err := fs.ReadFile(checkout, manifestPath)
	if err != nil {
		return fmt.Errorf("reading the manifest: %w", err)
	}
	var problems []error
	var found []string
	for _, match := range imagePattern.FindAllStringSubmatch(string(content), -1) {
		found = append(found, match[1])
		if match[2] != version {
			problems = append(problems, fmt.Errorf("%s installs %s, want version %s: change config/manager and run make manifests", manifestPath, match[0], version))
		}
	}
	for _, image := range []string{"operator", "hubserver"} {
		if !slices.Contains(found, image) {
			problems = append(problems, fmt.Errorf("%s does not name the image docker.io/chatcluster/%s", manifestPath, image))
		}
	}
	if definition := "chatcluster.dev/version: " + version + "\n"; !strings.Contains(string(content), definition) {
		problems = append(problems, fmt.Errorf("%s does not have the definition of the kind of version %s: change the marker in api/v1alpha1 and run make manifests",
			manifestPath, version))
	}
	return errors.Join(problems...)
}
