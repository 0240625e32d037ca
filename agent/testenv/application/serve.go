package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

func (a *application) serve(ctx context.Context, addr string) error {
	mux := http.NewServeMux()
	// The web server's own answer: it says nothing of the database.
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "healthy\n") })
	mux.HandleFunc("GET /api/v1/health_check", a.healthCheck)
	mux.HandleFunc("GET /login", a.page)
	mux.HandleFunc("POST /api/v1/login", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"message":"These credentials do not match our records"}`, http.StatusUnauthorized)
	})
	mux.HandleFunc("GET /api/v1/invoices", a.page)
	mux.HandleFunc("GET /api/v1/invoices/{id}/download", a.download)
	mux.HandleFunc("POST /api/v1/reports", a.report)
	mux.HandleFunc("POST /_/slow", func(_ http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.FormValue("for"))
		a.slow.Store(int64(d))
	})
	mux.HandleFunc("POST /_/cache", a.fillCache)
	mux.HandleFunc("POST /_/import", a.push)
	server := &http.Server{Addr: addr, Handler: accessLog(mux), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (a *application) healthCheck(w http.ResponseWriter, r *http.Request) {
	if a.token == "" || r.Header.Get("X-API-TOKEN") != a.token {
		http.Error(w, `{"message":"Invalid token"}`, http.StatusForbidden)
		return
	}
	pending, err := a.redis.number("LLEN", a.pending)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"system_health":   err == nil,
		"simple_db_check": a.db.PingContext(r.Context()) == nil,
		"queue_data":      map[string]int64{"failed": a.failed.Load(), "pending": pending},
	})
}

func (a *application) page(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(time.Duration(a.slow.Load()))
	io.WriteString(w, "<!doctype html><title>Invoice Ninja</title>\n")
}

// download fails as a template that is broken does.
func (a *application) download(w http.ResponseWriter, r *http.Request) {
	a.log.exception("ERROR", fmt.Sprintf("Undefined array key %q in PdfMaker", r.PathValue("id")), "ErrorException")
	http.Error(w, "Server Error", http.StatusInternalServerError)
}

// report runs a query that takes so many seconds.
func (a *application) report(w http.ResponseWriter, r *http.Request) {
	seconds, _ := strconv.ParseFloat(r.FormValue("seconds"), 64)
	var n, slept int
	err := a.db.QueryRowContext(r.Context(), "SELECT (SELECT COUNT(*) FROM invoices WHERE paid = 0), SLEEP(?)", seconds).Scan(&n, &slept)
	if err != nil {
		a.log.exception("ERROR", "SQLSTATE[HY000] [2002] "+err.Error(), "PDOException")
		http.Error(w, "Server Error", http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, n)
}

// fillCache writes entries of 64 KiB to the cache.
func (a *application) fillCache(w http.ResponseWriter, r *http.Request) {
	value := string(make([]byte, 64<<10))
	n, _ := strconv.Atoi(r.FormValue("entries"))
	for i := range n {
		if _, err := a.redis.do("SET", "invoiceninja_cache:"+strconv.Itoa(i), value); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
}

// push queues a job as Laravel does.
func (a *application) push(w http.ResponseWriter, r *http.Request) {
	job, _ := json.Marshal(map[string]any{"displayName": `App\Jobs\Import\CSVIngest`, "attempts": 0, "data": map[string]string{"megabytes": r.FormValue("megabytes")}})
	if _, err := a.redis.do("RPUSH", a.pending, string(job)); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// accessLog writes the combined format to standard output.
func accessLog(next http.Handler) http.Handler {
	var mu sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &status{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(s, r)
		client, _, _ := net.SplitHostPort(r.RemoteAddr)
		if forwarded := r.Header.Get("X-Forwarded-For"); forwarded != "" {
			client = forwarded // of the proxy in front
		}
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(os.Stdout, "%s - - [%s] %q %d %d \"-\" %q\n", client, time.Now().Format("02/Jan/2006:15:04:05 -0700"),
			r.Method+" "+r.RequestURI+" "+r.Proto, s.code, s.bytes, r.UserAgent())
	})
}

// A status is an answer whose code and length are seen.
type status struct {
	http.ResponseWriter
	code, bytes int
}

func (s *status) WriteHeader(code int) { s.code = code; s.ResponseWriter.WriteHeader(code) }

func (s *status) Write(b []byte) (int, error) {
	n, err := s.ResponseWriter.Write(b)
	s.bytes += n
	return n, err
}
