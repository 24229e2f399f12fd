package host

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// build is what is known of how a program was built.
type build struct {
	version string
	commit  string
}

// buildOf completes what the program says of itself with what the compiler noted in it.
func buildOf(program Program, info *debug.BuildInfo) build {
	result := build{version: program.Version, commit: program.Commit}
	if info == nil {
		info = &debug.BuildInfo{}
	}
	if result.version == "" && info.Main.Version != "(devel)" {
		result.version = info.Main.Version
	}
	if result.commit == "" {
		result.commit = revision(info)
	}
	return build{version: cmp.Or(result.version, "development"), commit: cmp.Or(result.commit, "unknown")}
}

// revision is the commit that was built, with a mark if the work tree had changes.
func revision(info *debug.BuildInfo) string {
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	commit := settings["vcs.revision"]
	if len(commit) > 12 {
		commit = commit[:12]
	}
	if commit != "" && settings["vcs.modified"] == "true" {
		commit += " with changes"
	}
	return commit
}

// String is the line of --version, without the program's name.
func (b build) String() string {
	return fmt.Sprintf("%s (commit %s, %s %s/%s)", b.version, b.commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
