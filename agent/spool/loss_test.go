package spool

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// timed is a frame whose records are of that many seconds after the year 2000.
func timed(n int64, source string) Frame {
	f := frameOf(n, source)
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	f.Ranges[0].First, f.Ranges[0].Last = at+n*1e9, at+n*1e9+5e8
	return f
}

func logged(t *testing.T, log *bytes.Buffer) []string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	for i := range lines {
		_, lines[i], _ = strings.Cut(lines[i], "level=")
	}
	return lines
}

// TestFullSaysOnce: one line when it begins, one with the sum when it is over;
// and one when there is little room and when there is enough again. They say
// what was lost of which source.
func TestFullSaysOnce(t *testing.T) {
	var log bytes.Buffer
	drops := 0
	s := mustOpen(t, newMemFS(), Options{MaxBytes: 8000, Log: slog.New(slog.NewTextHandler(&log, nil)), OnDrop: func(d Drop) { drops += d.Records }})
	for n := range int64(500) {
		if n%4 == 0 {
			mustAppend(t, s, frameOf(n, "b"))
		} else {
			mustAppend(t, s, timed(n, "a"))
		}
	}
	for seq := range drain(t, s) {
		s.Done(seq)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	lines := logged(t, &log)
	want := []string{
		"the spool is nearly full", "oldest records are dropped", fmt.Sprint("dropped_records=", drops), "no longer nearly full",
	}
	if len(lines) != len(want) {
		t.Fatalf("log:\n%s", &log)
	}
	for i := range want {
		if !strings.Contains(lines[i], want[i]) {
			t.Errorf("line %d is not about %s:\n%s", i, want[i], lines[i])
		}
	}
	for _, part := range []string{"of a from 2000-01-01T00:00:01.000Z to 2000-01-01T00:00:0", "of b up to byte "} {
		if !strings.Contains(lines[1], part) {
			t.Errorf("no %q in\n%s", part, lines[1])
		}
	}
	if !strings.Contains(lines[2], "of a from 2000-01-01T00:00:") {
		t.Errorf("what was lost is not in\n%s", lines[2])
	}
}

// TestDropsGoOn: while records are dropped for hours it is said once an hour,
// with all that was lost since.
func TestDropsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		drops := 0
		s := mustOpen(t, newMemFS(), Options{MaxBytes: 8000, Log: slog.New(slog.NewTextHandler(&log, nil)), OnDrop: func(d Drop) { drops += d.Records }})
		for n := range int64(500) {
			mustAppend(t, s, timed(n, fmt.Sprint("source", n%12)))
			time.Sleep(time.Minute)
		}
		lines := logged(t, &log)
		if n := len(lines); n < 8 || n > 10 {
			t.Errorf("%d lines in 8 hours:\n%s", n, &log)
		}
		if !strings.Contains(lines[4], "still dropped") || !strings.Contains(lines[4], "; 4 more sources") {
			t.Errorf("%s", lines[4])
		}
	})
}

// TestBlock: a spool that blocks drops nothing, and takes more once there is room.
func TestBlock(t *testing.T) {
	var log bytes.Buffer
	s := mustOpen(t, newMemFS(), Options{
		MaxBytes: 8000, Block: true, Log: slog.New(slog.NewTextHandler(&log, nil)),
		OnDrop: func(d Drop) { t.Errorf("%+v is dropped", d) },
	})
	n := int64(0)
	fill := func() {
		t.Helper()
		for ; ; n++ {
			if _, err := s.Append([]Frame{frameOf(n, "a")}); err != nil {
				if !errors.Is(err, ErrFull) {
					t.Fatal(err)
				}
				if s.Bytes() > 8000 || s.Bytes() < 7000 {
					t.Errorf("full with %d bytes", s.Bytes())
				}
				return
			}
		}
	}
	var got []uint64
	for range 5 {
		fill()
		for range 40 {
			f, ok, err := s.Next(nil)
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			got = append(got, f.Seq)
			s.Done(f.Seq)
		}
	}
	for seq := range drain(t, s) {
		got = append(got, seq)
	}
	slices.Sort(got)
	if len(got) != int(n) || got[0] != 1 || got[n-1] != uint64(n) {
		t.Errorf("%d of %d came", len(got), n)
	}
	if m := meter(s)[`logkeel_spool_write_errors_total`]; m != 0 {
		t.Errorf("%v write errors", m)
	}
	if !strings.Contains(log.String(), "once it is full, reading waits") {
		t.Errorf("log:\n%s", &log)
	}
}

// TestTimesOfRanges survive a restart; a frame without any reads as one of before
// there were times.
func TestTimesOfRanges(t *testing.T) {
	fs := newMemFS()
	s := mustOpen(t, fs, Options{})
	both := timed(7, "a")
	both.Ranges = append(both.Ranges, Range{Source: "b", To: agent.Position{Epoch: 1, Offset: 1}, Records: 1, First: -5, Last: 1 << 62})
	frames := []Frame{timed(1, "a"), frameOf(2, "a"), both}
	mustAppend(t, s, frames...)
	s.Close()
	s = mustOpen(t, fs, Options{})
	for _, want := range frames {
		f, ok, err := s.Next(nil)
		if !ok || err != nil || !slices.Equal(f.Ranges, want.Ranges) {
			t.Errorf("%+v, %v; want %+v", f.Ranges, err, want.Ranges)
		}
	}
}
