package statuspage

import (
	"cmp"
	"html/template"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/history"
)

// A state is how well something is.
type state uint8

const (
	ok state = iota
	warn
	bad
)

func (s state) String() string { return [...]string{"ok", "warn", "bad"}[s] }

// A trouble is something that people should look at.
type trouble struct{ What, At, Why string }

// A page is all that the template shows. Texts in it are safe to show once they
// are escaped for HTML.
type page struct {
	CSS    template.CSS
	Script template.JS

	Host, Version, Up, At, Zone string
	State                       state
	Verdict                     string
	Wrong                       int // how many problems there are, or else alerts: for the title
	Troubles                    []trouble
	TroublesMore                int

	Plots []plot

	Firing     []alertRow
	Worst      []alertRow // of them, that the verdict names
	FiringAll  int
	FiringMore int
	Ended      []alertRow
	EndedMore  int
	EndedOpen  bool   // they are few, or all there is
	Silences   string // how many there are; "" is none

	Logs                           []logRow
	LogsMore, LogsKnown, LogsFound int
	LogsOpen, LogsRead, LogsBehind string
	Query                          string

	Samplers       []samplerRow
	SamplersMore   int
	Timings        []timing
	TimingsMore    int
	Points         []fact // the parts of timings: their class and name
	Statements     []statementRow
	StatementsMore int
	Unnamed        bool // some statement is a number only

	Outputs     []outputRow
	OutputsMore int
	Since       []fact // what went wrong since the start

	Config Config
	Loaded string
}

// A builder makes a page.
type builder struct {
	o       Options
	now     samples
	history *history.History
	times   []time.Time
	at      time.Time
	query   string
	lines   map[string][]float64 // of each log, by minutes
	page    *page
}

func build(o Options, query string) *page {
	b := &builder{o: o, now: collect(o.Meter), history: o.History, times: o.History.Times(), at: o.Now(), query: query}
	b.page = &page{
		CSS: template.CSS(style), Script: template.JS(script), Query: query,
		Host: name(o.Host), Version: name(o.Version), Up: span(b.at.Sub(o.Started)), At: b.at.Format("2006-01-02 15:04:05"), Zone: b.at.Format("MST"),
	}
	b.alerts()
	b.lines = b.sparks(linesTrack, history.Sum)
	b.plots()
	b.outputs()
	b.logs()
	b.agent()
	b.config()
	b.measured() // the last, for these may be so many that no other trouble is seen
	b.verdict()
	return b.page
}

func (b *builder) trouble(what, at, why string) {
	p := b.page
	if len(p.Troubles) == maxTroubles {
		p.TroublesMore++
		return
	}
	p.Troubles = append(p.Troubles, trouble{what, at, why})
}

func (b *builder) measured() {
	p := b.page
	p.Samplers, p.SamplersMore = b.samplers()
	for _, s := range p.Samplers {
		if s.State == bad {
			b.trouble("Sampler "+strings.TrimSpace(s.Kind+" "+s.Name)+": "+s.Says, "#samplers", s.Error)
		}
	}
	p.Timings, p.TimingsMore = b.timings()
	for i, point := range points {
		p.Points = append(p.Points, fact{"p" + string(rune('0'+i)), point.name})
	}
	p.Statements, p.StatementsMore = b.statements()
	for _, s := range p.Statements {
		p.Unnamed = p.Unnamed || !s.Named
	}
}

func (b *builder) config() {
	c := b.o.Config()
	if c.Error != "" {
		b.trouble("The newest configuration is wrong, and an older one in use", "#config", text(c.Error, 300))
	}
	lines := strings.Split(strings.TrimRight(c.Summary, "\n"), "\n")
	for i := range lines {
		lines[i] = text(lines[i], 300)
	}
	const most = 200
	lines, more := cut(lines, most)
	c.Summary = strings.Join(lines, "\n")
	if more > 0 {
		c.Summary += "\n…and " + of(more, "line") + " more"
	}
	c.File, c.Error = text(c.File, 300), text(c.Error, 1000)
	b.page.Config, b.page.Loaded = c, b.moment(c.Loaded)
}

// verdict is the page in a line.
func (b *builder) verdict() {
	p := b.page
	n := len(p.Troubles) + p.TroublesMore
	p.Wrong = cmp.Or(n, p.FiringAll)
	var says []string
	if p.FiringAll > 0 {
		verb := " fires"
		if p.FiringAll > 1 {
			verb = "s fire"
		}
		says = append(says, count(float64(p.FiringAll))+" alert"+verb)
		p.State = warn
	}
	if n > 0 {
		says = append(says, of(n, "problem")+" of the agent or of what it watches")
		p.State = bad
	}
	for _, a := range p.Firing {
		if a.Severity != "critical" || a.Inhibited != "" {
			continue
		}
		if p.State = bad; len(p.Worst) < maxWorst {
			p.Worst = append(p.Worst, a)
		}
	}
	if p.Verdict = strings.Join(says, ", "); p.Verdict == "" {
		p.Verdict = "All is well"
		if p.LogsKnown == 0 && len(p.Samplers) == 0 {
			p.State, p.Verdict = warn, "Nothing is read or measured yet"
		}
	}
}
