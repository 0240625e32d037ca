package prometheus

import (
	"bufio"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// compressed serves next by gzip to those who take it. It keeps nothing between
// writes and so takes no memory of its own: the usual writer has 0.8 MiB, which
// is a fifth of what an agent keeps that samples some servers.
func compressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept-Encoding")
		if !takesGzip(r.Header.Values("Accept-Encoding")) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z, err := gzip.NewWriterLevel(w, gzip.StatelessCompression)
		if err != nil { // such a level there is
			panic(http.ErrAbortHandler)
		}
		whole := bufio.NewWriterSize(z, 32<<10) // each write is compressed by itself
		next.ServeHTTP(&zipped{w, whole}, r)
		_ = whole.Flush() // who went away misses nothing
		_ = z.Close()
	})
}

// takesGzip reports whether a client takes gzip; a weight of 0 says it does not.
func takesGzip(accepted []string) bool {
	for part := range strings.SplitSeq(strings.Join(accepted, ","), ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if strings.TrimSpace(coding) == "gzip" {
			return strings.Trim(strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q="), "0.") != "" || weight == ""
		}
	}
	return false
}

// A zipped is a response whose body goes through gzip.
type zipped struct {
	http.ResponseWriter
	z io.Writer
}

func (z *zipped) Write(p []byte) (int, error) { return z.z.Write(p) }
