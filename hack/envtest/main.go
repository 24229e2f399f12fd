// Command envtest finds the kube-apiserver and etcd that tests of the operator start, and prints the folder they are in:
// the one that KUBEBUILDER_ASSETS names, what was built here before, or what setup-envtest downloads. Where nothing can
// be downloaded, --build makes both from their Go modules, at the versions of go.mod beside this file.
//
//	go -C hack/envtest run . [--build]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// commands are what a folder must hold to be of use.
var commands = [...]string{"kube-apiserver", "etcd"}

var errNothingFound = errors.New("no kube-apiserver and etcd on this machine, and none could be downloaded: " +
	"set KUBEBUILDER_ASSETS to their folder, or run make envtest-build (half an hour on two cores, once)")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	build := flag.Bool("build", false, "build what is not there and cannot be downloaded")
	flag.Parse()
	folder, err := find(ctx, *build)
	if err != nil {
		fmt.Fprintln(os.Stderr, "envtest:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
	fmt.Println(folder)
}

// find returns a folder with all commands.
func find(ctx context.Context, build bool) (string, error) {
	if folder := os.Getenv("KUBEBUILDER_ASSETS"); folder != "" {
		if missing := missingIn(folder); missing != "" {
			return "", fmt.Errorf("KUBEBUILDER_ASSETS is %s, which has no %s", folder, missing)
		}
		return filepath.Abs(folder)
	}
	version, err := kubernetesVersion(ctx)
	if err != nil {
		return "", err
	}
	built, err := cacheFolder(version)
	if err != nil {
		return "", err
	}
	if missingIn(built) == "" {
		return built, nil
	}
	if folder, err := download(ctx, version); err == nil {
		return folder, nil
	} else if !build {
		fmt.Fprintln(os.Stderr, "envtest:", err)
		return "", errNothingFound
	}
	return built, buildInto(ctx, built, version)
}

// missingIn returns the first command that folder does not have, or nothing.
func missingIn(folder string) string {
	for _, command := range commands {
		if info, err := os.Stat(filepath.Join(folder, command)); err != nil || !info.Mode().IsRegular() {
			return command
		}
	}
	return ""
}
