package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
)

const indexName = "index.html"

const (
	cacheForever   = "public, max-age=31536000, immutable"
	cacheValidated = "no-cache"
)

// hashedName matches the names that the build puts a hash of the content into, such as main-JNVYDPC2.js.
var hashedName = regexp.MustCompile(`-[A-Z0-9]{8}\.[a-z0-9]+$`)

// contentTypes are fixed here because the machine's own table may say otherwise, and nosniff makes it matter.
var contentTypes = map[string]string{
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".css":   "text/css; charset=utf-8",
	".json":  "application/json",
	".txt":   "text/plain; charset=utf-8",
	".svg":   "image/svg+xml",
	".png":   "image/png",
	".ico":   "image/x-icon",
	".woff2": "font/woff2",
}

// asset is one file of the page with the headers that go with it.
type asset struct {
	content      []byte
	contentType  string
	cacheControl string
	entityTag    string
}

// loadAssets reads the built page, by path; it is a few hundred kilobytes.
func loadAssets(page fs.FS) (map[string]asset, error) {
	if _, err := fs.Stat(page, indexName); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotBuilt
	}
	assets := make(map[string]asset)
	err := fs.WalkDir(page, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(page, name)
		if err != nil {
			return err
		}
		assets[name] = newAsset(name, content)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	return assets, nil
}

func newAsset(name string, content []byte) asset {
	contentType, ok := contentTypes[path.Ext(name)]
	if !ok {
		contentType = "application/octet-stream"
	}
	cacheControl := cacheValidated
	if hashedName.MatchString(name) {
		cacheControl = cacheForever
	}
	sum := sha256.Sum256(content)
	return asset{content: content, contentType: contentType, cacheControl: cacheControl, entityTag: `"` + hex.EncodeToString(sum[:12]) + `"`}
}
