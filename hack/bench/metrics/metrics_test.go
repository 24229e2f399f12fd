package metrics

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadAddsUpTheSamplesOfAMetric(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics":
			io.WriteString(w, "# TYPE a gauge\na{of=\"x y\"} 1\na{of=\"z\"} 2.5\n\nb 1e3\n")
		case "/words":
			io.WriteString(w, "no sample\n")
		case "/word":
			io.WriteString(w, "word\n")
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	got, err := Read(t.Context(), server.Client(), server.URL+"/metrics")
	if diff := cmp.Diff(map[string]float64{"a": 3.5, "b": 1000}, got); err != nil || diff != "" {
		t.Errorf("%v; values differ (-want +got):\n%s", err, diff)
	}
	for path, want := range map[string]string{"/words": "is no sample", "/word": "is no sample", "/none": "404"} {
		if _, err := Read(t.Context(), server.Client(), server.URL+path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q in it", path, err, want)
		}
	}
}
