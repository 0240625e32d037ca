package prometheus

import (
	"fmt"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// Histograms are classic ones; those beyond max_series are added up, buckets and all.
func TestHistograms(t *testing.T) {
	c := defaults()
	c.MaxSeries = 100
	url := serve(t, c, func(yield func(agent.Sample)) {
		for i := range 102 {
			yield(agent.Sample{
				Name: "shop_seconds", Help: "Seconds.", Type: agent.Histogram, Labels: []agent.Label{{Name: "n", Value: fmt.Sprint(i)}},
				Value: 4.5, Count: 3, Buckets: []agent.Bucket{{Upper: 0.1, Count: 1}, {Upper: 2, Count: 2}},
			})
		}
	})
	page := get(t, url+"/metrics")
	for _, want := range []string{
		"# TYPE shop_seconds histogram\n",
		"shop_seconds_bucket{n=\"7\",le=\"0.1\"} 1\nshop_seconds_bucket{n=\"7\",le=\"2\"} 2\nshop_seconds_bucket{n=\"7\",le=\"+Inf\"} 3\nshop_seconds_sum{n=\"7\"} 4.5\nshop_seconds_count{n=\"7\"} 3\n",
		"shop_seconds_bucket{n=\"(other)\",le=\"0.1\"} 2\nshop_seconds_bucket{n=\"(other)\",le=\"2\"} 4\nshop_seconds_bucket{n=\"(other)\",le=\"+Inf\"} 6\nshop_seconds_sum{n=\"(other)\"} 9\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if err := testenv.CheckMetrics(t, []byte(page)); err != nil {
		t.Error(err)
	}
}
