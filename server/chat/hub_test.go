package chat

import "testing"

func TestServerNameCarriesThePortOfTheHostHeader(t *testing.T) {
	for _, test := range []struct{ configured, host, want string }{
		{"", "localhost:5001", "Server 5001"},
		{"", "chat.example.com", "Server 0"},
		{"", "[::1]:5002", "Server 5002"},
		{"", "[::1]", "Server 0"},
		{"", "localhost:http", "Server 0"},
		{"", "", "Server 0"},
		{"north", "localhost:5001", "north"},
	} {
		hub := &Hub{ServerName: test.configured}
		if got := hub.serverName(test.host); got != test.want {
			t.Errorf("serverName(%q) with ServerName %q = %q, want %q", test.host, test.configured, got, test.want)
		}
	}
}
