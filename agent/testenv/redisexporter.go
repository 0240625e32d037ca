package testenv

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
)

// RedisExporter starts redis_exporter for a server, and returns the URL of its
// metrics; args are flags more.
func RedisExporter(t testing.TB, srv *RedisServer, args ...string) string {
	t.Helper()
	const program = "prometheus-redis-exporter" // as Debian calls it
	_, err := exec.LookPath(program)
	Need(t, program, err == nil)
	addr := Addr(t)
	p, err := start(filepath.Join(stateDir(t, "redis-exporter"), "log"), exec.Command(program, append([]string{
		"-redis.addr", "redis://" + srv.Addr, "-web.listen-address", addr,
	}, args...)...))
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("testenv: %v", err)
		}
	})
	err = p.ready(func() error {
		_, err := GetText("http://" + addr + "/health")
		return err
	})
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return "http://" + addr + "/metrics"
}

// GetText is what a URL answers with 200.
func GetText(url string) (string, error) {
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	res, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return string(b), err
}
