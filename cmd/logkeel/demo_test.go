package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
)

// A demoProcess is a logkeel demo with a folder for temporary files of its own.
type demoProcess struct {
	t      *testing.T
	cmd    *exec.Cmd
	temp   string
	stderr bytes.Buffer
}

func startDemo(t *testing.T, stdout io.Writer, args ...string) *demoProcess {
	t.Helper()
	d := &demoProcess{t: t, temp: t.TempDir()}
	d.cmd = exec.Command(os.Args[0], append([]string{"demo"}, args...)...)
	d.cmd.Env = append(os.Environ(), "LOGKEEL_TEST_MAIN=1", "TMPDIR="+d.temp)
	d.cmd.Stdout, d.cmd.Stderr = stdout, &d.stderr
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// end waits until it has ended, which it has to do well and without a trace.
func (d *demoProcess) end() {
	d.t.Helper()
	if err := d.cmd.Wait(); err != nil || d.stderr.Len() > 0 {
		d.t.Errorf("it ended with %v, and said %s", err, &d.stderr)
	}
	left, err := os.ReadDir(d.temp)
	if err != nil || len(left) > 0 {
		d.t.Errorf("it left %v, %v", left, err)
	}
}

// The short form of what a newcomer sees first: the aggregator is away for a
// while, and nothing is lost.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	startDemo(t, &out, "--duration", "12s").end()
	text := out.String()
	for _, want := range []string{
		`(?m)^  lines written +[1-9]`,
		`(?m)^  repeated +\d`,
		`(?m)^  lost +0 `,
		`(?m)^ +1  DatabaseDenied +security +warning +\(/metrics: 1\)$`,
		`(?m)^ +2  InjectionAttempt +security +warning +\(/metrics: 2\)$`,
		`(?m)^ +3  FailedLogins +security +critical +\(/metrics: 3\)$`,
		`(?m)^ +2  PaymentDeclined +error +critical +\(/metrics: 2\)$`,
		`(?m)^ +1  SlowRequest +slow +warning +\(/metrics: 1\)$`,
		`(?m)^ +3  ApplicationError +error +critical +\(/metrics: 3\)$`,
		`(?m)^ +\| \[critical[^]]*\] (ApplicationError|FailedLogins|PaymentDeclined) \[shop-app-1\]`,
		`(?m)^  mails +[1-9] `, // how many come in the time is the machine's matter
		`\\x1b\[2Jadmin`,       // a line's control characters
		`is a stand-in`,
		`The aggregator is taken away`,
		`The aggregator is back`,
		`page +is down: it answers 503`,
		`logkeel_output_records_total\{output="aggregator"\} [1-9]`,
		`Nothing was lost.`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("it does not say %s", want)
		}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
		t.Error("there are control characters in it")
	}
	if t.Failed() {
		t.Log(text)
	}
}

// Ctrl-C while the aggregator is away: it comes back, all arrives, all is
// removed.
func TestDemoIsInterrupted(t *testing.T) {
	r, w := io.Pipe()
	d := startDemo(t, w, "--duration", "8s", "--keep")
	var text strings.Builder
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		interrupted := false
		for s := bufio.NewScanner(r); s.Scan(); {
			text.WriteString(s.Text() + "\n")
			if !interrupted && strings.Contains(s.Text(), "without an aggregator") {
				interrupted = true
				d.cmd.Process.Signal(syscall.SIGINT)
			}
		}
	}()
	defer time.AfterFunc(waitLong, func() { d.cmd.Process.Kill() }).Stop()
	d.end()
	w.Close()
	<-seen
	if !strings.Contains(text.String(), "Nothing was lost.") {
		t.Errorf("%s", text.String())
	}
}

// As logkeel demo | head.
func TestDemoWithoutAReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d := startDemo(t, w, "--duration", "10m")
	w.Close()
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Error(err)
	}
	r.Close()
	start := time.Now()
	d.end()
	if time.Since(start) > waitLong {
		t.Error("it went on for nobody")
	}
}

func TestDemoDuration(t *testing.T) {
	for _, duration := range []string{"1s", "1h"} {
		if _, stderr, code := logkeel(t, "", "demo", "--duration", duration); code != exitUsage || !strings.Contains(stderr, "out of range; write 5s to 10m0s") {
			t.Errorf("%s: exit code %d: %s", duration, code, stderr)
		}
	}
}
