package heartbeat

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

func labels(pairs ...string) (l []agent.Label) {
	for i := 0; i < len(pairs); i += 2 {
		l = append(l, agent.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return l
}

// well is how the parts of an agent do that is well, or has been unwell for less
// than it may.
func well(yield func(agent.Sample)) {
	for _, s := range []agent.Sample{
		{Name: "logkeel_sources", Value: 2},
		{Name: "logkeel_source_lines_total", Labels: labels("source", "docker", "container", "a"), Value: 3},
		{Name: "logkeel_source_lines_total", Labels: labels("source", "docker", "container", "b"), Value: 4},
		{Name: "logkeel_source_stalled_seconds", Labels: labels("source", "docker", "container", "a"), Value: 599},
		{Name: "logkeel_state_unwritten_seconds", Labels: labels("part", "rules"), Value: 599},
		{Name: "logkeel_alerts_tick_seconds", Value: 1},
		{Name: "logkeel_notifications_tick_seconds", Labels: labels("output", "ops"), Value: 700},
		{Name: "logkeel_output_stalled_seconds", Labels: labels("output", "main", "kind", "records"), Value: 9999},
		{Name: "logkeel_output_stalled_seconds", Labels: labels("output", "ops", "kind", "alerts"), Value: 9999},
		{Name: "logkeel_output_stalled_seconds", Labels: labels("output", "hook", "kind", "alerts"), Value: 0},
	} {
		yield(s)
	}
}

// with is well, and something more.
func with(more ...agent.Sample) func(func(agent.Sample)) {
	return func(yield func(agent.Sample)) {
		well(yield)
		for _, s := range more {
			yield(s)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		meter func(func(agent.Sample))
		want  string
	}{
		{well, "logkeel is watching: 2 logs are open, 7 lines were read since it was started"},
		{func(func(agent.Sample)) {}, "logkeel is watching: 0 logs are open, 0 lines were read since it was started"},
		{
			with(
				agent.Sample{Name: "logkeel_source_stalled_seconds", Labels: labels("source", "docker", "container", "web"), Value: 720, Note: "an output does not take what was read"},
				agent.Sample{Name: "logkeel_source_stalled_seconds", Labels: labels("source", "laravel", "container", ""), Value: 700},
			),
			"logkeel runs, but logs have more and are not read on (2, the longest web for 12m0s): an output does not take what was read",
		},
		{
			with(agent.Sample{Name: "logkeel_state_unwritten_seconds", Labels: labels("part", "rules"), Value: 601, Note: "no space left on device"}),
			"logkeel runs, but rules cannot be written for 10m1s: no space left on device",
		},
		{with(agent.Sample{Name: "logkeel_alerts_tick_seconds", Value: 601}), "logkeel runs, but no alert was judged or kept for 10m1s"},
		{
			with(agent.Sample{Name: "logkeel_notifications_tick_seconds", Labels: labels("output", "ops"), Value: 1201}),
			"logkeel runs, but the output ops hangs for 20m1s",
		},
		{
			func(yield func(agent.Sample)) {
				yield(agent.Sample{Name: "logkeel_output_stalled_seconds", Labels: labels("output", "ops", "kind", "alerts"), Value: 601, Note: "535 no"})
			},
			"logkeel runs, but nobody can be told of alerts (ops for 10m1s): 535 no",
		},
	} {
		v := judge(c.meter, 10*time.Minute)
		if v.say() != c.want {
			t.Errorf("%s; want %s", v.say(), c.want)
		}
	}
}

// A tripper is a service without a network.
type tripper struct {
	at    []string // since the start, and for which URL
	start time.Time
	fails int // so many are not taken
}

func (r *tripper) RoundTrip(req *http.Request) (*http.Response, error) {
	r.at = append(r.at, time.Since(r.start).String()+" "+req.URL.Path)
	if r.fails > 0 {
		r.fails--
		return nil, errors.New("no route to host")
	}
	return &http.Response{StatusCode: 200, Status: "200 OK", Body: io.NopCloser(strings.NewReader("OK"))}, nil
}

// TestWhen: at an even pace; again soon where nobody heard it; and what is unwell
// is told as such, or by silence.
func TestWhen(t *testing.T) {
	for _, c := range []struct {
		name, fail string
		fails      int
		from, to   time.Duration // unwell
		want       []string
		logs       []string
	}{
		{"well", "", 0, 0, 0, []string{"30s /u", "1m30s /u", "2m30s /u", "3m30s /u"}, nil},
		{
			"not heard", "", 2, 0, 0,
			[]string{"30s /u", "45s /u", "1m0s /u", "2m0s /u", "3m0s /u", "4m0s /u"},
			[]string{"the heartbeat is not taken, and tried again", "the heartbeat is taken again"},
		},
		{
			"unwell, and silent", "", 0, time.Minute, 3 * time.Minute,
			[]string{"30s /u", "3m30s /u"},
			[]string{"the agent is not well: there is no heartbeat until it is", "the agent is well again, and the heartbeat goes on"},
		},
		{
			"unwell", "/fail", 0, time.Minute, 3 * time.Minute,
			[]string{"30s /u", "1m30s /u/fail", "2m30s /u/fail", "3m30s /u"},
			[]string{"the agent is not well: the heartbeat says so", "the agent is well again, and the heartbeat goes on"},
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			r := &tripper{start: start, fails: c.fails}
			conf := config("https://hc-ping.com/u")
			conf.FailURL = config(c.fail).URL
			var log bytes.Buffer
			o, err := New(conf, func(yield func(agent.Sample)) {
				v := 1.0
				if d := time.Since(start); d >= c.from && d < c.to {
					v = 601
				}
				yield(agent.Sample{Name: "logkeel_alerts_tick_seconds", Value: v})
			}, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			o.client.Transport = r
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute+20*time.Second)
			defer cancel()
			if err := o.Run(ctx); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.at, c.want) {
				t.Errorf("%s: at %q; want %q", c.name, r.at, c.want)
			}
			lines := strings.SplitAfter(log.String(), "\n")
			for i, want := range c.logs {
				if !strings.Contains(lines[i], want) {
					t.Errorf("%s: logged %s; want %s", c.name, lines[i], want)
				}
			}
			if len(lines)-1 != len(c.logs) {
				t.Errorf("%s: logged %q", c.name, lines)
			}
		})
	}
}

// TestUnwellIsMeasured: what keeps the heartbeat back is on the page, and the
// metric says why.
func TestUnwellIsMeasured(t *testing.T) {
	o, heard, logged := beatOnce(t, config("https://hc-ping.com/u"), with(agent.Sample{Name: "logkeel_alerts_tick_seconds", Value: 601}))
	if !heard || !strings.Contains(logged, "no alert was judged or kept for 10m1s") {
		t.Errorf("heard is %v; logged %s", heard, logged)
	}
	o.Meter(func(s agent.Sample) {
		if s.Name == "logkeel_heartbeat_alive" && (s.Value != 0 || !strings.Contains(s.Note, "no alert was judged")) {
			t.Errorf("it is %v: %s", s.Value, s.Note)
		}
	})
}
