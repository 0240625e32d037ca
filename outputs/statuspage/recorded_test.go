package statuspage

import (
	"net/http"
	"slices"
	"sync"
)

// requests are what a server was asked for.
type requests struct {
	mu    sync.Mutex
	asked []string
}

func (r *requests) of(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.asked = append(r.asked, req.URL.RequestURI())
		r.mu.Unlock()
		h.ServeHTTP(w, req)
	})
}

func (r *requests) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}
