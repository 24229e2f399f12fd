package main

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/host/drain"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis/redistest"
)

func TestADrainIsAskedForWatchedAndTakenBackAtThePeerPort(t *testing.T) {
	redis := redistest.Start(t)
	other, drained := runMember(t, redis.Address), runMember(t, redis.Address)
	leaving := join(t, drained.address)
	if status, progress := drained.drain(http.MethodGet); status != http.StatusOK || progress.State != drain.Serving || progress.Connections != 1 {
		t.Errorf("before: %d %+v", status, progress)
	}
	if status, progress := drained.drain(http.MethodPost); status != http.StatusAccepted || progress.State != drain.Draining || progress.Since == nil {
		t.Errorf("asked for: %d %+v", status, progress)
	}
	expect(t, leaving, `{"type":7,"allowReconnect":true}`+"\x1e")
	_ = leaving.CloseNow()
	eventually(t, "drained", func() bool {
		_, progress := drained.drain(http.MethodGet)
		return progress.State == drain.Drained && progress.Connections == 0 && !progress.Ending && progress.ReadyPeers == 1
	})
	if drained.ready() || !other.ready() {
		t.Error("ready is who drains, or not who does not")
	}
	if status, progress := drained.drain(http.MethodDelete); status != http.StatusOK || progress.State != drain.Serving {
		t.Errorf("taken back: %d %+v", status, progress)
	}
	eventually(t, "ready again", drained.ready)
	send(t, join(t, drained.address), `{"type":1,"target":"SendMessage","arguments":["ann","hello"]}`)
}

func TestADrainNeedsTheCertificateOfTheCluster(t *testing.T) {
	m := runMember(t, redistest.Start(t).Address)
	anonymous := &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		for who, try := range map[string]struct {
			client *http.Client
			scheme string
		}{
			"no certificate":                 {anonymous, "https://"},
			"the certificate of another key": {operator(t, strings.Repeat("x", len(clusterKey))), "https://"},
			"no TLS":                         {anonymous, "http://"},
		} {
			response, err := m.ask(try.client, try.scheme, method)
			if err != nil {
				continue
			}
			_ = response.Body.Close()
			if response.StatusCode != http.StatusBadRequest { // so TLS answers who does not speak it
				t.Errorf("%s with %s: %d", method, who, response.StatusCode)
			}
		}
	}
	if _, progress := m.drain(http.MethodGet); progress.State != drain.Serving || !m.ready() {
		t.Errorf("it drains: %+v", progress)
	}
}
