package host

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chatcluster/chatcluster/server/certificatetest"
	"github.com/chatcluster/chatcluster/server/host/config"
)

func TestCertificateFilesForRedisAreCheckedAtTheStart(t *testing.T) {
	authority := certificatetest.NewAuthority(t)
	own := authority.Issue(t, "hub.example.com")
	missing := filepath.Join(t.TempDir(), "missing.pem")
	settings := config.Default()
	settings.RedisConnection = "redis:6379,ssl=true"
	settings.RedisTLSCAFile, settings.RedisTLSCertificateFile, settings.RedisTLSKeyFile = authority.File, own.CertificateFile, own.KeyFile
	options, err := redisSettings(settings, &credentials{})
	if err != nil || options.TLSFiles.AuthorityFile != authority.File || options.TLSFiles.KeyFile != own.KeyFile {
		t.Errorf("%+v, %v", options.TLSFiles, err)
	}
	for key, change := range map[string]func(*config.Config){
		"RedisTlsCaFile":          func(c *config.Config) { c.RedisTLSCAFile = missing },
		"RedisTlsCertificateFile": func(c *config.Config) { c.RedisTLSKeyFile = missing },
	} {
		changed := settings
		change(&changed)
		_, err := redisSettings(changed, &credentials{})
		problem, ok := errors.AsType[*config.Error](err)
		if !ok || problem.Key != key || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
