package redis

import (
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestARedisComesBackAtItsAddress(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	first, err := Start(t.Context(), "redis-server")
	if err != nil {
		t.Fatal(err)
	}
	first.Stop()
	if answersPing(t.Context(), first.Address) {
		t.Error("a Redis that was stopped answers")
	}
	_, port, _ := strings.Cut(first.Address, ":")
	second, err := StartAt(t.Context(), "redis-server", port)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Stop()
	if second.Address != first.Address || !answersPing(t.Context(), first.Address) {
		t.Errorf("the second Redis is at %s, the first was at %s", second.Address, first.Address)
	}
}

func TestAProgramThatIsMissingIsNamed(t *testing.T) {
	t.Parallel()
	if _, err := Start(t.Context(), "/no/such/redis"); err == nil || !strings.Contains(err.Error(), "redis: cannot run /no/such/redis") {
		t.Errorf("got %v", err)
	}
}

func TestVersionIsFoundInTheProgramsWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64": "7.0.15",
		"something else\n": `"something else"`,
	} {
		if got := versionOf(text); got != want {
			t.Errorf("versionOf(%q) is %s, want %s", text, got, want)
		}
	}
}
