package scan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/collectors/tail"
	"github.com/webgrip/logkeel/rules"
)

var epoch = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

func operations(t *testing.T) *rules.Set {
	t.Helper()
	set, err := rules.Load(rules.Config{Packs: []string{"operations"}}, "", rules.Redacting(rules.Redact{Secrets: true}))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Many logs, some of which are larger than what is read ahead of them, come out in
// the order of time, each line once.
func TestMergesManyLogs(t *testing.T) {
	dir := t.TempDir()
	const logs, lines = 40, 2000
	var all []tail.Past
	want, found := 0, 0
	for i := range logs {
		path := filepath.Join(dir, fmt.Sprintf("%d.log", i))
		var text bytes.Buffer
		for n := range lines {
			at := epoch.Add(time.Duration(n*logs+i) * 7 * time.Millisecond)
			what := "fine"
			if i%4 == 0 || n%100 == 0 {
				what = "ERROR " + strings.Repeat("x", 60)
				found++
			}
			fmt.Fprintf(&text, "%s %s\n", at.Format("2006-01-02T15:04:05.000Z"), what)
			want++
		}
		if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, tail.Past{Path: path, Source: &agent.Source{ID: path, Name: path}})
	}
	var out bytes.Buffer
	result, err := Run(t.Context(), Options{Logs: all, Set: operations(t), Out: &out, Err: io.Discard, JSON: true, Now: epoch.Add(time.Hour)})
	if err != nil || result.Findings != int64(found) || result.Unread != 0 {
		t.Fatalf("%+v, %v, want %d findings", result, err, found)
	}
	last, n := "", 0
	for line := range bytes.Lines(out.Bytes()) {
		var m struct {
			Time    string
			Summary *summaryObject
		}
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		if s := m.Summary; s != nil {
			if s.Lines != int64(want) || s.Logs != logs || s.Rules[0].Logs != logs || s.Alerts != logs {
				t.Errorf("summary: %+v", s)
			}
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, m.Time)
		if err != nil {
			t.Fatal(err)
		}
		if key := at.Format("15:04:05.000000000"); key < last {
			t.Fatalf("%s comes after %s", key, last)
		} else {
			last = key
		}
		n++
	}
	if n != found {
		t.Errorf("%d matches are printed, want %d", n, found)
	}
}

// What comes through a pipe is printed before the pipe ends.
func TestPrintsWhatAPipeHasSoFar(t *testing.T) {
	for _, prefix := range []string{"", "app-1  | "} {
		in, feed := io.Pipe()
		shown, out := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			_, err := Run(context.Background(), Options{Files: []string{"-"}, In: in, Set: operations(t), Out: out, Err: io.Discard, Now: epoch.Add(time.Hour)})
			ended <- errors.Join(err, out.Close())
		}()
		if _, err := io.WriteString(feed, prefix+"2026-01-02T03:00:00.000000001Z ERROR one\n"+prefix); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1<<10)
		n, err := shown.Read(buf)
		if err != nil || !strings.Contains(string(buf[:n]), "ApplicationError(critical) ERROR one") {
			t.Errorf("%q, %v", buf[:n], err)
		}
		if err := feed.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, shown); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// An interrupt ends a scan that waits for a pipe, and tells what there was.
func TestInterrupted(t *testing.T) {
	in, feed := io.Pipe()
	defer feed.Close()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out bytes.Buffer
	_, err := Run(ctx, Options{Files: []string{"-"}, In: in, Set: operations(t), Out: &out, Err: io.Discard, Now: epoch})
	if !errors.Is(err, errInterrupted) || !strings.Contains(out.String(), "0 lines in 0 logs") {
		t.Errorf("%v\n%s", err, &out)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestSaysThatItCannotWrite(t *testing.T) {
	in := strings.NewReader(strings.Repeat("2026-01-02T03:00:00Z ERROR\n", 10_000))
	_, err := Run(t.Context(), Options{Files: []string{"-"}, In: in, Set: operations(t), Out: failing{}, Err: io.Discard, Now: epoch})
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// Log after log, in which something is found each second: the clock of the alerts goes on
// meanwhile. Lines before the first that has a time do not move it.
func TestAlertsComeWhileFindingsDo(t *testing.T) {
	var text strings.Builder
	text.WriteString("ERROR before the first time\n")
	for i := range 600 {
		fmt.Fprintf(&text, "%s ERROR\n", epoch.Add(time.Duration(i)*time.Second).Format(time.RFC3339))
	}
	var out bytes.Buffer
	o := Options{Files: []string{"-"}, In: strings.NewReader(text.String()), Set: operations(t), Out: &out, Err: io.Discard, JSON: true, Quiet: true, Now: epoch.Add(48 * time.Hour)}
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	var got struct{ Summary summaryObject }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	s := got.Summary
	if s.Alerts != 1 || s.Untimed != 0 || len(s.Notices) == 0 || s.Notices[0].Time > epoch.Add(time.Minute).Format(time.RFC3339) {
		t.Errorf("%+v", s)
	}
}

func TestBusiestHour(t *testing.T) {
	var mails []mail
	for _, minutes := range []int{0, 30, 61, 80, 89, 300} {
		mails = append(mails, mail{at: epoch.Add(time.Duration(minutes) * time.Minute)})
	}
	if from, n := busiest(mails); n != 4 || !from.Equal(epoch.Add(30*time.Minute)) {
		t.Errorf("%d from %v", n, from)
	}
}

func TestLongLinesShowTheMatch(t *testing.T) {
	r := &report{s: &scan{}}
	text := []byte(strings.Repeat("é", 5000) + "ERROR" + strings.Repeat("é", 5000))
	at := int32(10_000)
	got := string(r.line(nil, text, agent.Span{Start: 0, End: int32(len(text))}, []agent.Finding{{Match: agent.Span{Start: at, End: at + 5}}}))
	if !strings.Contains(got, "éERRORé") || len(got) > maxWide+20 || strings.Contains(got, `\x`) || !strings.HasPrefix(got, "…") || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes: %.40q", len(got), got)
	}
}
