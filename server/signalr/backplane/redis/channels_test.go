package redis

import (
	"regexp"
	"testing"

	"github.com/chatcluster/chatcluster/server/signalr/backplane"
)

func TestChannelNamesAreThoseOfTheReference(t *testing.T) {
	names := channels{prefix: "MyApp", hub: "Chat.ChatHub", server: "host_1"}
	tests := map[string]string{
		names.target(backplane.Target{Scope: backplane.ScopeAll}):                    "MyAppChat.ChatHub:all",
		names.target(backplane.Target{Scope: backplane.ScopeGroup, Name: "a:b*"}):    "MyAppChat.ChatHub:group:a:b*",
		names.target(backplane.Target{Scope: backplane.ScopeUser, Name: "ann"}):      "MyAppChat.ChatHub:user:ann",
		names.target(backplane.Target{Scope: backplane.ScopeConnection, Name: "c1"}): "MyAppChat.ChatHub:connection:c1",
		names.groups():                                   "MyAppChat.ChatHub:internal:groups",
		names.acknowledgements("other_2"):                "MyAppChat.ChatHub:internal:ack:other_2",
		names.results():                                  "MyAppChat.ChatHub:internal:return:host_1",
		names.returnAddress():                            "Chat.ChatHub:internal:return:host_1",
		names.returnTo("Chat.ChatHub:internal:return:x"): "MyAppChat.ChatHub:internal:return:x",
	}
	for name, want := range tests {
		if name != want {
			t.Errorf("%s, want %s", name, want)
		}
	}
}

func TestServerNamesAreUniqueAndOfTheReferencesForm(t *testing.T) {
	first, err := newServerName()
	if err != nil {
		t.Fatal(err)
	}
	second, _ := newServerName()
	if first == second || !regexp.MustCompile(`^.+_[0-9a-f]{32}$`).MatchString(first) {
		t.Errorf("%s and %s", first, second)
	}
}
