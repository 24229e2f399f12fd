package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/certificatetest"
)

func (w *watched) putBoth(pair certificatetest.Pair) {
	w.t.Helper()
	w.put("tls.crt", string(pair.Certificate))
	w.put("tls.key", string(pair.Key))
}

func TestCertificateIsReadAgainWhenItChanges(t *testing.T) {
	w := watch(t)
	first, second := certificatetest.SelfSigned(t, "first"), certificatetest.SelfSigned(t, "second")
	w.putBoth(first)
	pair, err := loadCertificate(filepath.Join(w.folder, "tls.crt"), filepath.Join(w.folder, "tls.key"), &w.reloads)
	if err != nil {
		t.Fatal(err)
	}
	settings := pair.config()
	expect := func(step, name string, lines int) {
		t.Helper()
		for range 2 { // a change is judged once
			w.reloads.look()
			certificate, err := settings.GetCertificate(nil)
			if err != nil || certificate.Leaf.Subject.CommonName != name {
				t.Errorf("%s: %v, %v", step, certificate.Leaf.Subject, err)
			}
		}
		if got := strings.Count(w.log.String(), "\n"); got != lines {
			t.Errorf("%s: %d lines, want %d: %s", step, got, lines, w.log.String())
		}
	}
	expect("unchanged", "first", 0)
	w.put("tls.crt", string(second.Certificate))
	expect("half of a change", "first", 1)
	w.put("tls.key", string(second.Key))
	expect("the other half", "second", 2)
	w.put("tls.crt", "garbage")
	expect("garbage", "second", 3)
	if err := os.Remove(filepath.Join(w.folder, "tls.crt")); err != nil {
		t.Fatal(err)
	}
	expect("gone", "second", 3)
	w.put("tls.key", string(first.Key))
	w.put("tls.crt", string(first.Certificate))
	expect("back", "first", 4)
}

func TestCertificateThatCannotBeUsedIsAnError(t *testing.T) {
	w := watch(t)
	load := func() error {
		_, err := loadCertificate(filepath.Join(w.folder, "tls.crt"), filepath.Join(w.folder, "tls.key"), &w.reloads)
		return err
	}
	if err := load(); err == nil || !strings.Contains(err.Error(), "tls.crt") {
		t.Errorf("no files: %v", err)
	}
	w.putBoth(certificatetest.Pair{Certificate: certificatetest.SelfSigned(t, "one").Certificate, Key: certificatetest.SelfSigned(t, "other").Key})
	if load() == nil {
		t.Error("a key of another certificate")
	}
}
