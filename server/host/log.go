package host

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"

	"github.com/chatcluster/chatcluster/server/host/config"
)

// NewLogger returns the logger that a configuration asks for.
func NewLogger(c config.Config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// httpErrors is where net/http reports what it cannot tell anybody else.
func httpErrors(logger *slog.Logger) *log.Logger { return log.New(&httpErrorWriter{logger}, "", 0) }

type httpErrorWriter struct{ logger *slog.Logger }

// Write logs a line. Failed TLS handshakes are the business of whoever tried: scanners and probes do all day.
func (w *httpErrorWriter) Write(line []byte) (int, error) {
	level := slog.LevelWarn
	if bytes.Contains(line, []byte("TLS handshake error")) {
		level = slog.LevelDebug
	}
	w.logger.Log(context.Background(), level, "http server", "error", string(bytes.TrimSpace(line)))
	return len(line), nil
}
