package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// A checker says whether the contender has done the work of which nothing was
// shipped: one that stops early looks superb.
type checker func(context.Context, *job) error

// checkMetrics asks logkeel what it has counted.
func checkMetrics(ctx context.Context, j *job) error {
	page, err := scrape(ctx, fmt.Sprintf("http://127.0.0.1:%d/metrics", j.setup.Metrics))
	if err != nil {
		return err
	}
	if n := page.sum("logkeel_source_lines_total", ""); n != j.log.records.n {
		return fmt.Errorf("it has read %d of %d records", n, j.log.records.n)
	}
	j.known = "number"
	if len(j.setup.Rules) == 0 {
		return nil
	}
	for i, r := range operations {
		if n := page.sum("logkeel_findings_total", fmt.Sprintf("rule=%q", r.Name)); n != j.log.found[i] {
			return fmt.Errorf("%s holds for %d records, it says %d", r.Name, j.log.found[i], n)
		}
	}
	j.known = "each rule"
	return nil
}

// A page is one of metrics, as Prometheus reads it.
type page string

func scrape(ctx context.Context, url string) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(q)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", url, res.Status)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	return page(b), err
}

// sum adds up the series of the metric that have the label, written as on the
// page.
func (p page) sum(metric, label string) (n int64) {
	for line := range strings.Lines(string(p)) {
		labels, ok := strings.CutPrefix(line, metric+"{")
		if !ok || !strings.Contains(labels, label) {
			continue
		}
		value := strings.TrimSpace(labels[strings.LastIndexByte(labels, ' ')+1:])
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			n += int64(v)
		}
	}
	return n
}

// checkCount wants the number of flagged records as all that was printed.
func checkCount(_ context.Context, j *job) error {
	b, err := os.ReadFile(j.proc.out)
	if err != nil {
		return err
	}
	if n := string(bytes.TrimSpace(b)); n != strconv.FormatInt(j.log.flagged.n, 10) {
		return fmt.Errorf("it counts %.20q lines, not %d", n, j.log.flagged.n)
	}
	j.known = "number"
	return nil
}

// checkMtail reads the counters that mtail prints at its end.
func checkMtail(_ context.Context, j *job) error {
	b, err := os.ReadFile(j.proc.out)
	if err != nil {
		return err
	}
	at := bytes.Index(b, []byte("{\n")) // after what it logs
	if at < 0 {
		return fmt.Errorf("it prints no counters: %s", j.proc.lastWords())
	}
	var metrics map[string][]struct {
		LabelValues []struct{ Value struct{ Value int64 } }
	}
	if err := json.NewDecoder(bytes.NewReader(b[at:])).Decode(&metrics); err != nil {
		return fmt.Errorf("its counters: %w", err)
	}
	counted := map[string]int64{}
	for name, all := range metrics {
		for _, m := range all {
			for _, v := range m.LabelValues {
				counted[name] += v.Value.Value
			}
		}
	}
	for i, r := range operations {
		if n := counted[r.Name]; n != j.log.found[i] {
			return fmt.Errorf("%s holds for %d records, it says %d", r.Name, j.log.found[i], n)
		}
	}
	j.known = "each rule"
	return nil
}
