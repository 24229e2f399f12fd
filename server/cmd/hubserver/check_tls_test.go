package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/certificatetest"
)

func TestCheckTrustsTheCertificateThatItIsGivenWhateverTheAddress(t *testing.T) {
	other := certificatetest.SelfSigned(t, "chat.example.com").Files(t).CertificateFile
	for kind, name := range map[string]string{
		"name":     "chat.example.com",
		"wildcard": "*.example.com",
		"address":  "192.0.2.1",
	} {
		t.Run(kind, func(t *testing.T) {
			own := certificatetest.SelfSigned(t, name).Files(t)
			server := run(t, nil,
				"--urls", "https://127.0.0.1:0", "--tls-certificate-file", own.CertificateFile, "--tls-key-file", own.KeyFile)
			for _, attempt := range []struct {
				args []string
				want string
			}{
				{[]string{"--certificate", own.CertificateFile}, "a message came through"},
				{[]string{"--certificate", other, "--timeout", "1s"}, "tls: failed to verify certificate"},
				{[]string{"--timeout", "1s"}, "tls: failed to verify certificate"},
			} {
				output, _ := command(t, nil, append([]string{"check", server.address + "/chatHub"}, attempt.args...)...).CombinedOutput()
				if !strings.Contains(string(output), attempt.want) {
					t.Errorf("check %q says %q, want %q", attempt.args, output, attempt.want)
				}
			}
		})
	}
}

func TestCheckSaysWhatIsWrongWithACertificate(t *testing.T) {
	nameless := certificatetest.SelfSigned(t).Files(t)
	for file, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "reading the certificate",
		nameless.KeyFile:                   "it does not begin with a certificate in PEM",
		nameless.CertificateFile:           "it names no host",
	} {
		err := check(t.Context(), []string{"https://127.0.0.1:1/chatHub", "--timeout", "10ms", "--certificate", file}, t.Output())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("check with %s gives %v, want it to say %q", filepath.Base(file), err, want)
		}
	}
}
