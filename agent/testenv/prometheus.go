package testenv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// A Prom is a Prometheus server.
type Prom struct {
	URL string // http://127.0.0.1:port

	t      testing.TB
	client http.Client
}

// A Value is one element of a query's result.
type Value struct {
	Labels map[string]string // with __name__, where it has one
	Value  float64
}

// Prometheus starts a server that scrapes /metrics of the targets, each
// host:port, once a second. Its first scrape can take ten seconds: start it early.
func Prometheus(t testing.TB, targets ...string) *Prom {
	t.Helper()
	return PrometheusEvery(t, time.Second, targets...)
}

// PrometheusEvery is Prometheus with another interval.
func PrometheusEvery(t testing.TB, interval time.Duration, targets ...string) *Prom {
	t.Helper()
	_, err := exec.LookPath("prometheus")
	Need(t, "prometheus", err == nil)
	addr, dir := Addr(t), stateDir(t, "prometheus")
	// JSON is YAML, too, and needs no care with quotes.
	config, err := json.Marshal(map[string]any{
		"global": map[string]any{"scrape_interval": interval.String(), "scrape_timeout": interval.String()},
		"scrape_configs": []any{map[string]any{
			"job_name":       "test",
			"static_configs": []any{map[string]any{"targets": targets}},
		}},
	})
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatalf("testenv: %v", err)
	}
	p, err := start(filepath.Join(dir, "prometheus.log"), exec.Command("prometheus",
		"--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr))
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("testenv: %v", err)
		}
	})
	s := &Prom{URL: "http://" + addr, t: t, client: http.Client{Timeout: patience}}
	t.Cleanup(s.client.CloseIdleConnections)
	err = p.ready(func() error {
		_, err := s.get("/-/ready")
		return err
	})
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	return s
}

// Query evaluates the expression now. The result is empty where nothing is
// known; a scalar is one value without labels.
func (s *Prom) Query(expr string) []Value {
	s.t.Helper()
	v, err := s.query(expr)
	if err != nil {
		s.t.Fatalf("testenv: query %s: %v", expr, err)
	}
	return v
}

// Await evaluates the expression until its result is not empty, and fails the
// test after timeout. A comparison (`metric >= 5`) has a result when it holds.
func (s *Prom) Await(expr string, timeout time.Duration) []Value {
	s.t.Helper()
	var v []Value
	err := await(timeout, func() (err error) {
		if v, err = s.query(expr); err == nil && len(v) == 0 {
			err = fmt.Errorf("no result within %v", timeout)
		}
		return err
	})
	if err != nil {
		s.t.Fatalf("testenv: query %s: %v", expr, err)
	}
	return v
}

// TryQuery is Query for an expression that may be wrong.
func (s *Prom) TryQuery(expr string) ([]Value, error) { return s.query(expr) }

func (s *Prom) query(expr string) ([]Value, error) {
	body, err := s.get("/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	type point [2]any // time, and the value as a string
	value := func(labels map[string]string, p point) (Value, error) {
		text, _ := p[1].(string)
		f, err := strconv.ParseFloat(text, 64)
		return Value{Labels: labels, Value: f}, err
	}
	switch answer.Data.ResultType {
	case "scalar":
		var p point
		if err := json.Unmarshal(answer.Data.Result, &p); err != nil {
			return nil, err
		}
		v, err := value(nil, p)
		return []Value{v}, err
	case "vector":
		var series []struct {
			Metric map[string]string
			Value  point
		}
		if err := json.Unmarshal(answer.Data.Result, &series); err != nil {
			return nil, err
		}
		var vs []Value
		for _, one := range series {
			v, err := value(one.Metric, one.Value)
			if err != nil {
				return nil, err
			}
			vs = append(vs, v)
		}
		return vs, nil
	}
	return nil, fmt.Errorf("a result of type %q is neither a scalar nor a vector", answer.Data.ResultType)
}

func (s *Prom) get(path string) ([]byte, error) {
	resp, err := s.client.Get(s.URL + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(body))
	}
	return body, err
}

// Promtool returns the path of promtool.
func Promtool(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	Need(t, "promtool (prometheus)", err == nil)
	return path
}

// CheckMetrics gives a page of metrics to `promtool check metrics`. The error
// holds what that has to say.
func CheckMetrics(t testing.TB, page []byte) error {
	t.Helper()
	cmd := exec.Command(Promtool(t), "check", "metrics")
	cmd.Stdin = bytes.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("promtool check metrics: %w\n%s", err, out)
	}
	return nil
}
