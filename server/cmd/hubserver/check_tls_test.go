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
			hub := server.address + "/chatHub"
			output, _ := command(t, nil, "check", hub, "--certificate", own.CertificateFile).CombinedOutput()
			if !strings.Contains(string(output), "a message came through") {
				t.Errorf("check says %q, want that a message came through", output)
			}
			for _, certificate := range []string{other, ""} {
				if _, err := checkOnce(t.Context(), hub, certificate); err == nil || !strings.Contains(err.Error(), "tls: failed to verify certificate") {
					t.Errorf("with the certificate %q: %v", certificate, err)
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
