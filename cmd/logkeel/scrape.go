package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	scrapeTimeout = 5 * time.Second
	maxScrape     = 64 << 20 // bytes of a page of metrics
)

// A scraped page is what a running agent says of itself.
type scraped struct {
	at       time.Time
	families map[string]*dto.MetricFamily
}

var errNotOurs = errors.New("who answers there is not logkeel")

// localURL is where this machine reaches what listens on an address.
func localURL(listen, path string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return "http://" + net.JoinHostPort(host, port) + path, nil
}

// ask gets a page of the agent that listens there.
func ask(ctx context.Context, listen, path string, timeout time.Duration) (*http.Response, error) {
	to, err := localURL(listen, path)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return nil, err
	}
	return (&http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
}

// scrape reads the page of metrics of the agent that listens there.
func scrape(ctx context.Context, listen string) (*scraped, error) {
	res, err := ask(ctx, listen, "/metrics", scrapeTimeout)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: it answers %s", errNotOurs, res.Status)
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(io.LimitReader(res.Body, maxScrape))
	if err != nil {
		return nil, fmt.Errorf("%w: its page of metrics is none: %w", errNotOurs, err)
	}
	if families["logkeel_build_info"] == nil {
		return nil, errNotOurs
	}
	return &scraped{time.Now(), families}, nil
}

// each yields the series of a metric: its labels and its value.
func (s *scraped) each(name string, yield func(labels map[string]string, v float64)) {
	for _, m := range s.families[name].GetMetric() {
		labels := make(map[string]string, len(m.GetLabel()))
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		v := m.GetGauge().GetValue()
		switch {
		case m.Counter != nil:
			v = m.GetCounter().GetValue()
		case m.Untyped != nil:
			v = m.GetUntyped().GetValue()
		}
		yield(labels, v)
	}
}

// sum is that of all series of a metric whose labels are as these.
func (s *scraped) sum(name string, labels ...string) (total float64) {
	s.each(name, func(have map[string]string, v float64) {
		for i := 0; i+1 < len(labels); i += 2 {
			if have[labels[i]] != labels[i+1] {
				return
			}
		}
		total += v
	})
	return total
}
