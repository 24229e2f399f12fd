package host

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatcluster/chatcluster/server/host/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file in testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-update writes it anew):\n%s", name, diff)
	}
}

// stocks is a program as a user writes it.
func stocks(market *string) Program {
	return Program{
		Name: "stocks", Summary: "stocks tells prices.", Version: "1.2.3", Commit: "abcdef",
		Keys: []config.Key{{
			Name: "Market", Group: "Stocks", Default: "nyse", Value: config.Choice(market, "nyse", "xetra"),
			Description: "Whose prices are told.",
		}},
		Hubs: func(*Settings) ([]Hub, error) {
			return []Hub{{Name: "Stocks", Path: "/stocks", Value: newTestHub()}}, nil
		},
		Commands: []Command{{
			Name: "page", Summary: "serve the page alone", Defaults: map[string]string{"Urls": "http://127.0.0.1:0"},
			Handler: func(*Settings) (http.Handler, error) { return namePath("page "), nil },
		}},
	}
}

func runMain(program Program, environ []string, args ...string) (code int, stdout, stderr string) {
	var out, problems bytes.Buffer
	code = Main(program, args, environ, &out, &problems)
	return code, out.String(), problems.String()
}

func TestHelpReadsWell(t *testing.T) {
	code, stdout, stderr := runMain(stocks(new(string)), []string{"CHATCLUSTER_NONSENSE=1"}, "--help")
	if code != ExitDone || stderr != "" {
		t.Errorf("%d %s", code, stderr)
	}
	golden(t, "help.golden", stdout)
}

func TestVersionNamesWhatWasBuilt(t *testing.T) {
	code, stdout, _ := runMain(stocks(new(string)), nil, "--version")
	if code != ExitDone || !strings.HasPrefix(stdout, "stocks 1.2.3 (commit abcdef, go1.") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("%d %s", code, stdout)
	}
}

func TestBuildIsReadFromTheBinary(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "v0.1.0"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"},
	}}
	tests := []struct {
		program Program
		info    *debug.BuildInfo
		want    build
	}{
		{Program{}, info, build{"v0.1.0", "0123456789ab with changes"}},
		{Program{Version: "9", Commit: "c"}, info, build{"9", "c"}},
		{Program{}, &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, build{"development", "unknown"}},
		{Program{}, nil, build{"development", "unknown"}},
	}
	for _, test := range tests {
		if got := buildOf(test.program, test.info); got != test.want {
			t.Errorf("got %+v, want %+v", got, test.want)
		}
	}
}

func TestConfigShowsWhatIsInForce(t *testing.T) {
	code, stdout, stderr := runMain(stocks(new(string)),
		[]string{"RedisConnection=redis:6379,password=hunter2", "CHATCLUSTER_MARKET=xetra"}, "config", "--urls=http://*:80")
	if code != ExitDone || stderr != "" {
		t.Errorf("%d %s", code, stderr)
	}
	if strings.Contains(stdout, "hunter2") {
		t.Error("tells a secret")
	}
	golden(t, "config.golden", stdout)
}

func TestConfigPrintsTheTableOfTheREADME(t *testing.T) {
	code, stdout, _ := runMain(stocks(new(string)), nil, "config", "--markdown")
	if code != ExitDone || !strings.HasPrefix(stdout, "| key |") || !strings.Contains(stdout, "| `Market` | `--market` |") {
		t.Errorf("%d %s", code, stdout)
	}
}

func TestMistakesEndTheProgramWithOneLine(t *testing.T) {
	tests := []struct {
		args    []string
		environ []string
		change  func(*Program)
		code    int
		want    string
	}{
		{args: []string{"--market=moon"}, code: ExitUsage, want: `stocks: Market (flag --market): "moon" is unknown; allowed are nyse, xetra`},
		{args: []string{"serve"}, code: ExitUsage, want: `stocks: unexpected argument "serve"; --help lists what there is`},
		{args: []string{"config", "--markt=x"}, code: ExitUsage, want: `stocks: unknown flag --markt; did you mean --market?`},
		{args: []string{"page", "--urls=x"}, code: ExitUsage, want: `stocks: Urls (flag --urls): "x" does not begin with http:// or https://; allowed is an address such as http://localhost:5000`},
		{environ: []string{"ASPNETCORE_URLS=http://192.0.2.1:5000"}, code: ExitUsage, want: `stocks: Urls (environment ASPNETCORE_URLS): http://192.0.2.1:5000 is no address of this machine; choose localhost, * for all addresses, or one that it has`},
		{
			change: func(p *Program) {
				p.Hubs = func(*Settings) ([]Hub, error) { return nil, errors.New("the market is\nclosed") }
			},
			code: ExitFailed, want: `stocks: the market is; closed`,
		},
		{
			change: func(p *Program) {
				p.Check = func(*config.Config) error { return config.Problem("Market", "does not fit") }
			},
			environ: []string{"CHATCLUSTER_MARKET=xetra"}, code: ExitUsage, want: `stocks: Market (environment CHATCLUSTER_MARKET): does not fit`,
		},
	}
	for _, test := range tests {
		program := stocks(new(string))
		if test.change != nil {
			test.change(&program)
		}
		code, stdout, stderr := runMain(program, test.environ, test.args...)
		if code != test.code || stderr != test.want+"\n" || stdout != "" {
			t.Errorf("%v: %d\ngot  %swant %s", test.args, code, stderr, test.want)
		}
	}
}

func TestProgramServesUntilItIsTold(t *testing.T) {
	for _, args := range [][]string{{"--urls=http://127.0.0.1:0", "--log-format=json"}, {"page"}} {
		reader, writer := io.Pipe()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		program := &run{program: stocks(new(string)), stdout: io.Discard, stderr: writer}
		code := make(chan int, 1)
		go func() {
			code <- program.main(ctx, args)
			_ = writer.Close()
		}()
		var log strings.Builder
		buffer := make([]byte, 4096)
		for !strings.Contains(log.String(), "listening") {
			n, err := reader.Read(buffer)
			if err != nil {
				t.Fatalf("%v: %v: %s", args, err, log.String())
			}
			log.Write(buffer[:n])
		}
		stop()
		if _, err := io.Copy(&log, reader); err != nil {
			t.Fatal(err)
		}
		if got := <-code; got != ExitDone || !strings.Contains(log.String(), "1.2.3 (commit abcdef") {
			t.Errorf("%v: %d: %s", args, got, log.String())
		}
	}
}
