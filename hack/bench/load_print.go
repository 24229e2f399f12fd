package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/chatcluster/chatcluster/hack/bench/load"
	"github.com/chatcluster/chatcluster/hack/bench/trial"
)

func printReport(out io.Writer, options loadOptions, report trial.Report) error {
	lines := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, values ...any) {
		_, _ = fmt.Fprintf(lines, "%s\t%s\n", name, fmt.Sprintf(format, values...))
	}
	line("workload", "%s", describe(options))
	line("broadcasts", "%d sent of %d", report.Sent, report.Planned)
	line("deliveries", "%d of %d expected, %d lost, %d duplicated, %d stray",
		report.Delivered, report.Expected, report.Lost(), report.Duplicated, report.Strays)
	line("throughput", "%.0f deliveries/s; the last came %s after the sending", report.DeliveriesPerSecond(), milliseconds(report.Behind()))
	if options.workload.Rate == 0 {
		line("calls", "%.0f/s, %d failed %s", report.CallsPerSecond(), report.Failures, report.Failure)
	}
	line("latency", "%s", percentiles(report.Latency))
	line("sent late by", "%s", percentiles(report.Lag))
	if report.Disconnected > 0 {
		line("disconnected", "%d: %s", report.Disconnected, report.Reason)
	}
	printUsage(line, options, report)
	if err := lines.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func printUsage(line func(string, string, ...any), options loadOptions, report trial.Report) {
	cores := func(used time.Duration) string {
		return fmt.Sprintf("%.2f s CPU, %.0f%% of a core", used.Seconds(), report.Share(used))
	}
	if len(options.watched.Servers) > 0 {
		line("servers", "%s: %.0f deliveries per CPU second; %d MiB resident",
			cores(report.ServerCPU), report.DeliveriesPerServerCPU(), report.Resident>>20)
	}
	if len(options.watched.Redis) > 0 {
		line("redis", "%s", cores(report.RedisCPU))
	}
	line("generator", "%s", cores(report.GeneratorCPU))
	if len(options.watched.Servers) > 0 {
		line("all others", "%s", cores(report.OtherCPU))
	}
}

func describe(options loadOptions) string {
	pace := fmt.Sprintf("%g broadcasts/s from %d senders", options.workload.Rate, options.workload.Senders)
	if options.workload.Rate == 0 {
		pace = fmt.Sprintf("closed loop of %d senders", options.workload.Senders)
	}
	return fmt.Sprintf("%s to %d connections on %d servers, %d bytes, %s",
		pace, options.connect.Connections, len(options.connect.URLs), options.workload.Size, options.workload.Duration)
}

func percentiles(d load.Distribution) string {
	return fmt.Sprintf("p50 %s, p99 %s, p99.9 %s, max %s",
		milliseconds(d.P50), milliseconds(d.P99), milliseconds(d.P999), milliseconds(d.Max))
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}
