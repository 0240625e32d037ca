package prometheus

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCompressed(t *testing.T) {
	page := strings.Repeat("logkeel_records_total{source=\"app\"} 1\n", 10_000)
	h := compressed(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for line := range strings.Lines(page) {
			io.WriteString(w, line)
		}
	}))
	for accepts, zipped := range map[string]bool{
		"": false, "gzip": true, "deflate, gzip": true, "gzip;q=0.5": true, "gzip; q=1": true,
		"gzip;q=0": false, "gzip; q=0.000": false, "identity": false, "xgzip": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		if accepts != "" {
			r.Header.Set("Accept-Encoding", accepts)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Vary"); got != "Accept-Encoding" {
			t.Errorf("%q: a cache gives it to whoever asks: Vary is %q", accepts, got)
		}
		body, size := io.Reader(w.Body), w.Body.Len()
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != zipped {
			t.Errorf("%q: compressed is %t", accepts, got)
			continue
		}
		if zipped {
			var err error
			if body, err = gzip.NewReader(w.Body); err != nil {
				t.Fatal(err)
			}
			if size > len(page)/10 {
				t.Errorf("%q: %d bytes of %d", accepts, size, len(page))
			}
		}
		if b, err := io.ReadAll(body); err != nil || string(b) != page {
			t.Errorf("%q: %d bytes, %v", accepts, len(b), err)
		}
	}
}
