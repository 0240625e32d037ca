package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// Each command of the archive is run where its files are; what it prints, and its
// exit code, is what stands there.
func TestScan(t *testing.T) {
	const file = "testdata/scan.txtar"
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	wants := map[string]string{}
	var kept, commands []txtar.File
	for _, f := range a.Files {
		if name, ok := strings.CutSuffix(f.Name, ".want"); ok {
			wants[name] = string(f.Data)
			continue
		}
		kept = append(kept, f)
		if strings.HasSuffix(f.Name, ".cmd") {
			commands = append(commands, f)
			continue
		}
		data := f.Data
		if strings.HasSuffix(f.Name, ".gz") && string(data) != "torn\n" {
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			_, err := w.Write(data)
			if data = nil; errors.Join(err, w.Close()) == nil {
				data = packed.Bytes()
			}
		}
		path := filepath.Join(dir, f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	a.Files = kept
	for _, f := range commands {
		name := strings.TrimSuffix(f.Name, ".cmd")
		t.Run(name, func(t *testing.T) {
			line, in, _ := strings.Cut(strings.TrimSpace(string(f.Data)), "<")
			cmd := exec.Command(os.Args[0], strings.Fields(line)...)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "LOGKEEL_TEST_MAIN=1", "TZ=UTC", "LOGKEEL_CONFIG=", "NO_COLOR=")
			if in != "" {
				data, err := os.ReadFile(filepath.Join(dir, in))
				if err != nil {
					t.Fatal(err)
				}
				cmd.Stdin = bytes.NewReader(data)
			}
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err, exit := cmd.Run(), new(exec.ExitError); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%s--- stderr\n%s--- exit code %d\n", &out, &errs, cmd.ProcessState.ExitCode())
			got = strings.ReplaceAll(strings.ReplaceAll(got, dir, "$DIR"), "\x1b", "<ESC>")
			if strings.Contains(got, "hunter2") {
				t.Error("it prints a secret")
			}
			if !*update && got != wants[name] {
				t.Errorf("%s\ngot\n%s\nwant\n%s", line, got, wants[name])
			}
			a.Files = append(a.Files, txtar.File{Name: name + ".want", Data: []byte(got)})
		})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParseWhen(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"": {}, "24h": now.Add(-24 * time.Hour), "7d": now.Add(-7 * 24 * time.Hour), "1h30m": now.Add(-90 * time.Minute),
		"2026-01-02T03:00:00+01:00": time.Date(2026, 1, 2, 2, 0, 0, 0, time.UTC), "2026-01-02": time.Date(2026, 1, 2, 0, 0, 0, 0, time.Local),
		"2025-01-09T10:00:00": time.Date(2025, 1, 9, 10, 0, 0, 0, time.Local), "2026-01-02 15:04": time.Date(2026, 1, 2, 15, 4, 0, 0, time.Local),
	} {
		if got, err := parseWhen(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"yesterday", "-1h", "d", "2026-13-01", "NaNd", "1e9d"} {
		if got, err := parseWhen(s, now); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

// What two packs find in the same line is one mail, of the rule that is worse, and one
// when it is over.
func TestOneErrorOfLaravelIsOneMail(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]string{"ERROR": "ApplicationError", "CRITICAL": "ApplicationError", "EMERGENCY": "LaravelCritical"} {
		dir := writeFiles(t, "agent.yaml", `
collectors: {files: [{name: app, paths: "*.log", multiline: laravel}]}
rules: {packs: [operations, laravel]}
outputs: {email: [{name: ops, server: "smtp.example.com:587", from: a@example.com, to: [b@example.com]}]}
`, "laravel.log", "[2026-01-02 03:04:05] production."+level+": order 7 has no total\n")
		out, stderr, code := logkeel(t, dir, "scan")
		for _, line := range []string{"ops alert " + want, "ops over " + want} {
			if strings.Count(out, line) != 1 {
				t.Errorf("%s: %q is not said once", level, line)
			}
		}
		if code != 0 || !strings.Contains(out, "2 mails") {
			t.Errorf("%s: exit code %d, %s\n%s", level, code, stderr, out)
		}
	}
}
