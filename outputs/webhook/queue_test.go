package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
)

// What was not sent when the agent was killed is sent after that, with the ID it
// had, and signed.
func TestKillKeeps(t *testing.T) {
	ids, fail := make(chan string, 10), true
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("s3cr3t-key"))
		mac.Write(body)
		if got := r.Header.Get("X-Hub-Signature-256"); got != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("the signature is %q", got)
		}
		mu.Lock()
		defer mu.Unlock()
		if fail {
			w.WriteHeader(500)
		}
		ids <- r.Header.Get("X-Logkeel-Notice")
	}))
	defer server.Close()
	c := mustLoad(t, "name: chat\ngroup_wait: 0s\nurl: "+server.URL+"\n"+secrets)
	run := func(dir string, first bool) string {
		o, err := New(c, dir, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		if first {
			if err := o.Notify(t.Context(), samples()[0].Alerts); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- o.Run(ctx) }()
		id := <-ids
		if first { // as a kill leaves it
			if err := os.CopyFS(dir+"/killed", os.DirFS(dir+"/spool")); err != nil {
				t.Error(err)
			}
		}
		cancel()
		<-done
		return id
	}
	dir, next := t.TempDir(), t.TempDir()
	before := run(dir, true)
	if err := os.CopyFS(next+"/spool", os.DirFS(dir+"/killed")); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	fail = false
	mu.Unlock()
	if after := run(next, false); after != before || after == "" {
		t.Errorf("the notice is %q, and was %q", after, before)
	}
}
