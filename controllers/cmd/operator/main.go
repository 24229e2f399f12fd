// Command operator runs the chat services that ChatClusters ask for.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/chatcluster/chatcluster/controllers"
	"github.com/chatcluster/chatcluster/controllers/load"
	"github.com/chatcluster/chatcluster/controllers/redisadmin"
	"github.com/chatcluster/chatcluster/controllers/redisform/wire"
)

// version is set by the build with -ldflags "-X main.version=...".
var version string

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(run(ctrl.SetupSignalHandler(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// settings are what the command line says.
type settings struct {
	hubImage, redisImage string
	clusterDomain        string
	namespaces           []string
	leaderElect          bool
	metrics, health      string
	logLevel, logFormat  string
	concurrency          int
	version              bool
}

func parse(args []string, output io.Writer) (settings, error) {
	var s settings
	flags := pflag.NewFlagSet("operator", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetOutput(output)
	flags.StringVar(&s.hubImage, "hub-image", "", "image of hub servers where a ChatCluster names none (default: docker.io/chatcluster/hubserver of this version)")
	flags.StringVar(&s.redisImage, "redis-image", "docker.io/redis:7.0", "image of Redis where a ChatCluster names none")
	flags.StringVar(&s.clusterDomain, "cluster-domain", "", "domain of the Kubernetes cluster (default: as /etc/resolv.conf of its pod says, else cluster.local)")
	flags.StringSliceVar(&s.namespaces, "namespaces", nil, "namespaces whose ChatClusters are looked after, separated by commas (default: all)")
	flags.BoolVar(&s.leaderElect, "leader-elect", false, "work only while no other operator of this namespace does")
	flags.IntVar(&s.concurrency, "concurrency", 8, "how many ChatClusters are looked at at once")
	flags.StringVar(&s.metrics, "metrics-bind-address", "0", "host:port of /metrics; 0 is none")
	flags.StringVar(&s.health, "health-probe-bind-address", "0", "host:port of /healthz and /readyz; 0 is none")
	flags.StringVar(&s.logLevel, "log-level", "info", "least severe level that is logged: debug, info, warn or error")
	flags.StringVar(&s.logFormat, "log-format", "text", "how log lines are written: text or json")
	flags.BoolVar(&s.version, "version", false, "print the version and end")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unknown argument %q; everything is a flag, see --help", flags.Arg(0))
	}
	if s.concurrency < 1 {
		return s, fmt.Errorf("--concurrency is %d; it must be 1 or more", s.concurrency)
	}
	if s.hubImage == "" {
		s.hubImage = "docker.io/chatcluster/hubserver:" + strings.TrimPrefix(build(), "v")
	}
	if s.clusterDomain == "" {
		s.clusterDomain = clusterDomain(resolverFile)
	}
	return s, nil
}

// build is the version of this program.
func build() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return strings.ReplaceAll(info.Main.Version, "+", "-")
	}
	return "dev"
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == applyCRDCommand {
		if err := applyCRD(ctx, args[1:], stdout); err != nil {
			return fail(stderr, exitFailed, err)
		}
		return exitDone
	}
	s, err := parse(args, stderr)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return exitDone
	case err != nil:
		return fail(stderr, exitUsage, err)
	case s.version:
		_, _ = fmt.Fprintln(stdout, "operator", build())
		return exitDone
	}
	handler, err := logHandler(s, stderr)
	if err != nil {
		return fail(stderr, exitUsage, err)
	}
	logger := logr.FromSlogHandler(handler)
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	if err := operate(ctx, s, getenv("POD_NAMESPACE")); err != nil {
		return fail(stderr, exitFailed, err)
	}
	return exitDone
}

func fail(stderr io.Writer, code int, err error) int {
	_, _ = fmt.Fprintf(stderr, "operator: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	return code
}

func logHandler(s settings, output io.Writer) (slog.Handler, error) {
	options := &slog.HandlerOptions{}
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level is %q; allowed are debug, info, warn and error", s.logLevel)
	}
	options.Level = level
	switch s.logFormat {
	case "text":
		return slog.NewTextHandler(output, options), nil
	case "json":
		return slog.NewJSONHandler(output, options), nil
	}
	return nil, fmt.Errorf("--log-format is %q; allowed are text and json", s.logFormat)
}

// operate runs the operator until ctx ends. namespace is that of its pod, empty outside of Kubernetes.
func operate(ctx context.Context, s settings, namespace string) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the Kubernetes cluster (KUBECONFIG or ~/.kube/config outside of it): %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	scheme, err := controllers.NewScheme()
	if err != nil {
		return err
	}
	options := controllers.Options{
		Defaults:    controllers.Defaults{HubImage: s.hubImage, RedisImage: s.redisImage, Namespace: namespace, ClusterDomain: s.clusterDomain},
		Namespaces:  s.namespaces,
		Concurrency: s.concurrency,
		Redis:       redisadmin.Teller{},
		Hands:       redisHands(),
		Fetch:       fetch(client, namespace),
	}
	mgr, err := ctrl.NewManager(config, controllers.ManagerOptions(options, manager.Options{
		Scheme:                        scheme,
		Metrics:                       metricsserver.Options{BindAddress: s.metrics},
		HealthProbeBindAddress:        s.health,
		LeaderElection:                s.leaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       namespace,
		LeaderElectionReleaseOnCancel: true,
	}))
	if err != nil {
		return fmt.Errorf("connect to the Kubernetes cluster: %w", err)
	}
	if err := errors.Join(mgr.AddHealthzCheck("alive", healthz.Ping), mgr.AddReadyzCheck("alive", healthz.Ping)); err != nil {
		return err
	}
	if err := controllers.Setup(ctx, mgr, options); err != nil {
		return err
	}
	if s.leaderElect && namespace != "" {
		if err := ownLease(ctx, client, namespace); err != nil {
			ctrl.Log.Info("The lease of the operator stays when the operator is uninstalled", "lease", leaseName, "reason", err.Error())
		}
	}
	ctrl.Log.Info("Starting", "version", build(), "hubImage", s.hubImage, "redisImage", s.redisImage)
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("run the operator: %w", err)
	}
	return nil
}

// redisHands reach the servers of a Redis of several, at the addresses of their pods.
func redisHands() func(controllers.RedisAccess) controllers.RedisHands {
	told := &wire.Told{} // Sentinels do not say which password they use: all reconciles share what they were told
	return func(access controllers.RedisAccess) controllers.RedisHands {
		return &wire.Hands{
			TLS:      access.TLS,
			Operator: wire.Account(access.Operator),
			Internal: wire.Account(access.Internal),
			Users:    access.Users,
			Told:     told,
		}
	}
}

// fetch reads metrics from the pods, or through the API server where the operator is outside of their network.
func fetch(client kubernetes.Interface, namespace string) load.Fetch {
	if namespace != "" {
		return load.Direct(load.NewClient())
	}
	return load.ThroughServer(client.CoreV1().RESTClient())
}
