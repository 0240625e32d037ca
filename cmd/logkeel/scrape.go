package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/webgrip/logkeel/outputs/prometheus"
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

// ask gets a page of the agent that listens there. Who may see it, the environment
// says: of a password the configuration has a hash only.
func ask(ctx context.Context, c *prometheus.Config, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Web().Scheme()+"://"+reachable(c.Listen)+path, nil)
	if err != nil {
		return nil, err
	}
	if user, password, _ := strings.Cut(os.Getenv("LOGKEEL_WEB_USER"), ":"); user != "" && c.Web().Users {
		req.SetBasicAuth(user, password)
	}
	return (&http.Client{Timeout: scrapeTimeout, Transport: c.Web().Transport()}).Do(req)
}

// scrape reads the page of metrics of the agent that listens there.
func scrape(ctx context.Context, c *prometheus.Config) (*scraped, error) {
	res, err := ask(ctx, c, "/metrics")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusUnauthorized && c.Web().Users {
		return nil, errors.New("it wants a password; set LOGKEEL_WEB_USER=USER:PASSWORD to one of basic_auth_users in " + c.Web().File)
	}
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
