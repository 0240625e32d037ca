package statuspage

import (
	"net/http"
	"sync"
)

// recorded notes what is asked for, but for the browser's own wish for an icon.
func recorded(h http.Handler, asked *[]string) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		*asked = append(*asked, r.URL.RequestURI())
		mu.Unlock()
		h.ServeHTTP(w, r)
	})
}
