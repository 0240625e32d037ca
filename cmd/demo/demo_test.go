package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// deaf is an agent that serves metrics and reads nothing.
func deaf(ctx context.Context, config string, log io.Writer) error {
	b, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	addr := regexp.MustCompile(`listen: (\S+)`).FindSubmatch(b)[1]
	srv := &http.Server{Addr: string(addr), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "logkeel_source_lines_total{a=\"b\"} 0")
	})}
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	fmt.Fprintln(log, `time=x level=WARN msg="deaf"`)
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// leftBehind lists what is in the folder for temporary files.
func leftBehind(t *testing.T) func() []os.DirEntry {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return func() []os.DirEntry {
		left, err := os.ReadDir(dir)
		if err != nil {
			t.Error(err)
		}
		return left
	}
}

// An agent that ships nothing is found out.
func TestSummaryIsHonest(t *testing.T) {
	left, before := leftBehind(t), runtime.NumGoroutine()
	var out bytes.Buffer
	r, err := Run(t.Context(), Options{Out: &out, Duration: time.Second, Agent: deaf, drain: 100 * time.Millisecond})
	if !errors.Is(err, ErrLost) || r.Lost == 0 || r.Lost != r.Written || r.Complete() {
		t.Errorf("%+v, %v", r, err)
	}
	for _, want := range []string{"Something is missing", "WARN msg=\"deaf\"", "What is a stand-in"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &out)
		}
	}
	if l := left(); len(l) > 0 {
		t.Errorf("it left %v", l)
	}
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestAgentThatEnds(t *testing.T) {
	left := leftBehind(t)
	_, err := Run(t.Context(), Options{Out: io.Discard, Duration: time.Minute, Agent: func(_ context.Context, _ string, log io.Writer) error {
		fmt.Fprintln(log, "its last words")
		return errors.New("no disk")
	}})
	if err == nil || !strings.Contains(err.Error(), "did not start") || !strings.Contains(err.Error(), "no disk") || !strings.Contains(err.Error(), "its last words") {
		t.Errorf("%v", err)
	}
	_, err = Run(t.Context(), Options{Out: io.Discard, Duration: time.Minute, Agent: func(ctx context.Context, config string, log io.Writer) error {
		ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		return errors.Join(deaf(ctx, config, log), errors.New("no disk any more"))
	}})
	if err == nil || !strings.Contains(err.Error(), "no disk any more") {
		t.Errorf("%v", err)
	}
	if l := left(); len(l) > 0 {
		t.Errorf("it left %v", l)
	}
}

func TestInterruptedAtOnce(t *testing.T) {
	left := leftBehind(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Run(ctx, Options{Out: io.Discard, Duration: time.Minute, Agent: deaf})
	if l := left(); err != nil || len(l) > 0 {
		t.Errorf("%v, left %v", err, l)
	}
}
