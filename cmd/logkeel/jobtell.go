package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/printable"
	"github.com/webgrip/logkeel/collectors/jobs"
)

const (
	tellWithin = 5 * time.Second
	tellAgain  = time.Second // for an agent that is just being restarted
)

// A teller tells the agent of one run of a job.
type teller struct {
	job, id string
	base    string // of the URL
	where   string // for people
	token   string
	client  *http.Client
	said    sync.Once
}

// newTeller finds out where the agent listens.
func newTeller(job, to, config string) (*teller, error) {
	t := &teller{job: job, id: rand.Text(), token: os.Getenv("LOGKEEL_JOB_TOKEN")}
	if to == "" {
		to = jobs.DefaultListen
		if c := jobsSection(config); c != nil {
			to = c.Listen
			if t.token == "" {
				t.token = c.Token.Value()
			}
		}
		if !strings.HasPrefix(to, "unix:") {
			to = "http://" + reachable(to)
		}
	}
	transport := &http.Transport{DisableKeepAlives: true} // and without a proxy
	t.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.where = to
	if path, ok := strings.CutPrefix(to, "unix://"); ok {
		t.base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		return t, nil
	}
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("--to: write it as http://127.0.0.1:9766 or unix:///run/logkeel/jobs.sock")
	}
	t.where = u.Redacted()
	t.base = strings.TrimSuffix(to, "/")
	return t, nil
}

// jobsSection is the configuration's, where this user may read it and it is right.
func jobsSection(config string) *jobs.Config {
	path, err := configPath(config)
	if err != nil {
		return nil
	}
	l := &loaded{}
	if _, err := conf.Load(path, &l.Config, conf.Options{Env: os.LookupEnv}); err != nil || l.Collectors.Jobs == nil {
		return nil
	}
	return &l.Collectors.Jobs.Config
}

// reachable is the address for one who listens on all.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		if host = "127.0.0.1"; ip.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}

// begin tells that the job has started, while it runs already.
func (t *teller) begin(started time.Time) *sync.WaitGroup {
	var telling sync.WaitGroup
	telling.Go(func() {
		if err := t.ping("/start", started, nil); err != nil {
			t.say(err)
		}
	})
	return &telling
}

// finish tells how it ended. An agent that was not there when it began gets to
// know all the same.
func (t *teller) finish(started time.Time, code int, output []byte) {
	what := "/" + strconv.Itoa(code)
	err := t.ping(what, started, output)
	if errors.As(err, new(*net.OpError)) {
		time.Sleep(tellAgain)
		err = t.ping(what, started, output)
	}
	if err != nil {
		t.say(err)
	}
}

// say says once that the agent was not told.
func (t *teller) say(err error) {
	t.said.Do(func() {
		fmt.Fprintf(os.Stderr, "logkeel job: the agent at %s was not told of %s: %s\n", printable.Line(t.where), printable.Line(t.job), printable.Line(err.Error()))
	})
}

func (t *teller) ping(what string, started time.Time, output []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), tellWithin) // signals are the command's
	defer cancel()
	query := url.Values{"rid": {t.id}, "started": {fmt.Sprintf("%.3f", float64(started.UnixMilli())/1000)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.base+"/ping/"+url.PathEscape(t.job)+what+"?"+query.Encode(), bytes.NewReader(output))
	if err != nil {
		return err
	}
	if t.token != "" {
		req.Header.Set("Authorization", "Bearer "+t.token)
	}
	resp, err := t.client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(answer)))
	}
	return nil
}
