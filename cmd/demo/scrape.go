package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A metricsPage is what the agent serves for Prometheus.
type metricsPage string

// scrape asks for the page as Prometheus does.
func scrape(ctx context.Context, addr string) (metricsPage, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return "", err
	}
	// Without a connection that stays there is none to close at the end.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the agent answers %s", res.Status)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	return metricsPage(b), err
}

// series yields the lines of the metric that hold all the parts, with their
// values.
func (p metricsPage) series(name string, parts ...string) func(yield func(line string, v float64) bool) {
	return func(yield func(string, float64) bool) {
	lines:
		for line := range strings.Lines(string(p)) {
			line = strings.TrimSuffix(line, "\n")
			rest, ok := strings.CutPrefix(line, name)
			if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
				continue
			}
			for _, part := range parts {
				if !strings.Contains(rest, part) {
					continue lines
				}
			}
			v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
			if err == nil && !yield(line, v) {
				return
			}
		}
	}
}

// sum adds the series up. ok is false where there is none.
func (p metricsPage) sum(name string, parts ...string) (sum float64, ok bool) {
	for _, v := range p.series(name, parts...) {
		sum, ok = sum+v, true
	}
	return sum, ok
}
