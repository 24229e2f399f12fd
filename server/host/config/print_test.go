package config

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHelpOfFlags(t *testing.T) {
	var text strings.Builder
	WriteFlags(&text, new(Config).Keys())
	for line := range strings.Lines(text.String()) {
		if utf8.RuneCountInString(line) > helpWidth+1 {
			t.Errorf("too long: %s", line)
		}
	}
	golden(t, "flags.golden", text.String())
}

func TestMarkdownTable(t *testing.T) {
	var text strings.Builder
	WriteMarkdown(&text, new(Config).Keys())
	golden(t, "keys.golden.md", text.String())
}

func TestWhatIsInForce(t *testing.T) {
	_, loaded := mustLoad(t,
		[]string{"--urls=http://localhost:5001", "--keep-alive-interval=00:00:20"},
		[]string{"REDIS_CONNECTION=redis:6379,password=hunter2,ssl=true", "ASPNETCORE_URLS=http://*:80", "RedisDefaultDatabase=2"},
		"urls: http://localhost:5009\nlogLevel: Warning\nmaximumReceiveMessageSize: 65536\n")
	var text strings.Builder
	if err := loaded.WriteInForce(&text); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "hunter2") {
		t.Error("tells a secret")
	}
	golden(t, "inforce.golden", text.String())
}

func TestSecretsAreShownAsStars(t *testing.T) {
	secret := "hunter2"
	key := Key{Name: "ClusterKey", Secret: true, Value: Text(&secret, nil)}
	if key.Shown() != masked {
		t.Error(key.Shown())
	}
	secret = ""
	if key.Shown() != "" {
		t.Error("an unset secret is no secret")
	}
}

// The names of keys are the interface: two that look alike to a reader of files, or a key that cannot be told
// from a variable of Kubernetes, must not slip into the table.
func TestNamesOfKeysAreUnique(t *testing.T) {
	keys := append([]Key{fileKey(new(string))}, new(Config).Keys()...)
	files, variables := map[string]string{}, map[string]string{}
	for _, key := range keys {
		for _, name := range append([]string{key.Name}, key.Aliases...) {
			if other, taken := files[squash(name)]; taken {
				t.Errorf("%s and %s share the name %s", key.Name, other, name)
			}
			files[squash(name)] = key.Name
		}
		for _, name := range key.variables() {
			if other, taken := variables[name]; taken {
				t.Errorf("%s and %s share the variable %s", key.Name, other, name)
			}
			variables[name] = key.Name
		}
		if serviceLink.MatchString(key.Variable()) {
			t.Errorf("%s looks like a variable of Kubernetes", key.Variable())
		}
		if !strings.HasSuffix(key.Description, ".") {
			t.Errorf("%s has a description without an end", key.Name)
		}
	}
}

func TestDefaultsAreWrittenAsTheyArePrinted(t *testing.T) {
	config := Default()
	for _, key := range config.Keys() {
		if key.Default == "" {
			continue
		}
		before := key.Value.Text()
		if err := key.Value.Set(key.Default); err != nil {
			t.Errorf("%s: %v", key.Name, err)
		}
		if after := key.Value.Text(); before != after {
			t.Errorf("%s: default %s becomes %s", key.Name, key.Default, after)
		}
	}
}
