package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// serve runs the output and returns its URL.
func serve(t *testing.T, c Config, meter MeterFunc) string {
	t.Helper()
	c.Listen = "127.0.0.1:0"
	o := New(c, meter, nil, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	for o.Addr() == "" {
		time.Sleep(time.Millisecond)
	}
	return "http://" + o.Addr()
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v\n%s", url, res.Status, err, b)
	}
	return string(b)
}

func defaults() (c Config) {
	c.SetDefaults()
	return c
}

func TestPage(t *testing.T) {
	url := serve(t, defaults(), func(yield func(agent.Sample)) {
		yield(agent.Sample{Name: "logkeel_x_total", Help: "X.", Type: agent.Counter, Value: 3, Labels: []agent.Label{{Name: "container", Value: "a\xff\"\n<b>"}}})
		yield(agent.Sample{Name: "logkeel_y", Help: "Y.", Value: 1.5})
	})
	page := get(t, url+"/metrics")
	for _, want := range []string{
		"# HELP logkeel_x_total X.\n# TYPE logkeel_x_total counter\nlogkeel_x_total{container=\"a\uFFFD\\\"\\n<b>\"} 3\n",
		"# TYPE logkeel_y gauge\nlogkeel_y 1.5\n",
		"\ngo_goroutines ", "\nprocess_open_fds ",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if err := testenv.CheckMetrics(t, []byte(page)); err != nil {
		t.Error(err)
	}
	if got := get(t, url+"/-/healthy"); got != "logkeel is healthy.\n" {
		t.Errorf("healthy: %q", got)
	}
}

// A metric with too many series gives the further ones as one, and says so.
func TestSeriesAreBounded(t *testing.T) {
	c := defaults()
	c.MaxSeries = 100
	url := serve(t, c, func(yield func(agent.Sample)) {
		for i := range 250 {
			yield(agent.Sample{Name: "logkeel_many_total", Help: "Many.", Type: agent.Counter, Value: 2, Labels: []agent.Label{{Name: "n", Value: fmt.Sprint(i)}, {Name: "m", Value: "x"}}})
		}
	})
	page := get(t, url+"/metrics")
	if n := strings.Count(page, "\nlogkeel_many_total{"); n != 101 {
		t.Errorf("%d series, want 101", n)
	}
	for _, want := range []string{`logkeel_many_total{m="(other)",n="(other)"} 300`, `logkeel_metric_overflow_series{metric="logkeel_many_total"} 150`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// One bad metric does not take the others with it.
func TestABadMetricIsLeftOut(t *testing.T) {
	url := serve(t, defaults(), func(yield func(agent.Sample)) {
		yield(agent.Sample{Name: "logkeel_twice", Help: "Twice.", Value: 1})
		yield(agent.Sample{Name: "logkeel_twice", Help: "Twice.", Value: 2})
		yield(agent.Sample{Name: "not a name", Help: "Bad.", Value: 1})
		yield(agent.Sample{Name: "logkeel_good", Help: "Good.", Value: 4})
	})
	if page := get(t, url+"/metrics"); !strings.Contains(page, "\nlogkeel_good 4\n") {
		t.Errorf("a good metric is missing:\n%s", page)
	}
}

// failing is a connection that takes nothing.
type failing struct {
	http.ResponseWriter
	err error
}

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A scraper that went away is no news, and an error is said once, not once a metric.
func TestOneErrorAScrape(t *testing.T) {
	for _, tt := range []struct {
		err  error
		says int
	}{
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, 0},
		{errors.New("no room"), 1},
	} {
		var log strings.Builder
		o := New(defaults(), func(yield func(agent.Sample)) {
			for i := range 50 {
				yield(agent.Sample{Name: fmt.Sprintf("logkeel_x%d", i), Help: strings.Repeat("X", 1000)})
			}
		}, nil, slog.New(slog.NewTextHandler(&log, nil)))
		o.handler.ServeHTTP(failing{httptest.NewRecorder(), tt.err}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if n := strings.Count(log.String(), "metrics are incomplete"); n != tt.says {
			t.Errorf("%v is said %d times, want %d:\n%s", tt.err, n, tt.says, log.String())
		}
	}
}

func TestAddressInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c := defaults()
	c.Listen = ln.Addr().String()
	err = New(c, func(func(agent.Sample)) {}, nil, slog.New(slog.DiscardHandler)).Run(t.Context())
	want := "outputs.prometheus.listen: listen tcp " + c.Listen + ": bind: address already in use; free the port or choose another"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func BenchmarkScrape(b *testing.B) {
	c := defaults()
	o := New(c, func(yield func(agent.Sample)) {
		for i := range 3000 {
			yield(agent.Sample{Name: "logkeel_many_total", Help: "Many.", Type: agent.Counter, Value: 2, Labels: []agent.Label{{Name: "n", Value: fmt.Sprint(i)}}})
		}
	}, nil, slog.New(slog.DiscardHandler))
	req, _ := http.NewRequest(http.MethodGet, "/metrics", nil)
	for b.Loop() {
		o.handler.ServeHTTP(discard{}, req)
	}
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) WriteHeader(int)             {}
func (discard) Write(b []byte) (int, error) { return len(b), nil }

func TestStatusPage(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "how it does") })
	for _, tt := range []struct {
		on   bool
		page http.Handler
		code int
	}{{true, page, 200}, {false, page, 404}, {true, nil, 404}} {
		c := defaults()
		c.StatusPage = tt.on
		o := New(c, func(func(agent.Sample)) {}, tt.page, slog.New(slog.DiscardHandler))
		for path, want := range map[string]int{"/": tt.code, "/other": 404, "/metrics": 200, "/-/healthy": 200} {
			w := httptest.NewRecorder()
			o.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if w.Code != want {
				t.Errorf("%v: %s: %d, want %d", tt.on, path, w.Code, want)
			}
		}
		w := httptest.NewRecorder()
		if o.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil)); w.Code < 400 {
			t.Errorf("POST: %d", w.Code)
		}
	}
}
