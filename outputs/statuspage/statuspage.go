// Package statuspage is the page that the agent shows of itself: what is read,
// found, measured and brought away, for people. It only reads, needs nothing from
// elsewhere and no JavaScript; with it, it renews itself.
package statuspage

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/history"
)

// Rows that a table has at most; what is beyond is counted.
const (
	maxLogs       = 30
	maxSamplers   = 40
	maxTimings    = 12
	maxStatements = 15
	maxOutputs    = 30
	maxAlerts     = 20
	maxEnded      = 20
	maxWorst      = 3
	maxOpen       = 5 // alerts that are over and shown at once
	maxTroubles   = 20
	maxKey        = 4 // labels of an alert
	maxQuery      = 200
)

// Options are where the page's content comes from. All functions are called at
// any time from any goroutine.
type Options struct {
	Meter   func(yield func(agent.Sample)) // of the agent and all of its parts
	History *history.History               // of Tracks
	Firing  func(most int) (alerts []agent.Alert, all int)
	Ended   func() []agent.Alert // the newest first
	Config  func() Config
	Now     func() time.Time // in the zone in which times are shown
	Started time.Time
	Version string
	Host    string // name of the machine
	Log     *slog.Logger
}

// Config is what the agent was configured with. None of it is a secret.
type Config struct {
	File    string
	Loaded  time.Time
	Error   string // why the newest one was not taken; "" where it was
	Summary string // what it comes to, in lines
	Rules   int
}

// Tracks are what the page draws.
func Tracks() []history.Track {
	return append(tracked(),
		history.Track{Name: linesTrack, Metric: linesMetric, By: sourceLabels, Growth: true, Max: 1100},
		history.Track{Name: findingsTrack, Metric: findingsMetric, By: sourceLabels, Growth: true, Max: 1100},
		history.Track{Name: firedTrack, Metric: "logkeel_alerts_fired_total", Growth: true, Max: 1},
		history.Track{Name: severityTrack, Metric: findingsMetric, By: []string{"severity"}, Growth: true, Max: 10},
	)
}

//go:embed page.html
var pageText string

//go:embed page.css
var style string

//go:embed page.js
var script string

// handler answers with the page.
type handler struct {
	o        Options
	page     *template.Template
	security string
}

// New returns what serves the page. Who reads it sees names of logs and alerts,
// and texts of errors, but no line of a log.
func New(o Options) http.Handler {
	h := &handler{o: o, page: template.Must(template.New("page").Parse(pageText))}
	h.security = "default-src 'none'; style-src " + hashOf(style) + "; script-src " + hashOf(script) +
		"; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return h
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", h.security)
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "this page can only be read", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == HourPath {
		h.serveHour(w)
		return
	}
	query := r.URL.Query().Get("log")
	query = strings.TrimSpace(strings.ToValidUTF8(query[:min(len(query), maxQuery)], ""))
	var b bytes.Buffer
	if err := h.page.Execute(&b, build(h.o, query)); err != nil {
		h.o.Log.Error("the status page cannot be shown", "error", err)
		http.Error(w, "the status page cannot be shown; the agent's log says why", http.StatusInternalServerError)
		return
	}
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Content-Length", strconv.Itoa(b.Len()))
	if r.Method == http.MethodGet {
		_, _ = w.Write(b.Bytes()) // who asked may be gone
	}
}
