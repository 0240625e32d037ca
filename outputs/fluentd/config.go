package fluentd

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// Config is one output that sends records by the Forward protocol, to Fluentd, Fluent
// Bit and others.
type Config struct {
	Name           string          `yaml:"name"`                       // what it is called in metrics, messages and state_dir: letters, digits, - and _, 64 at most
	Address        string          `yaml:"address"`                    // address of the aggregator: host:port, or unix:///path; it or servers is needed
	Servers        []Server        `yaml:"servers"`                    // several aggregators that share the work, 16 at most, in place of address
	Records        string          `yaml:"records" enum:"all flagged"` // which records are sent: all of them, or only those that a rule flagged
	Tag            string          `yaml:"tag"`                        // template of the tag, with .Source, .Name, .Tag, .ID, .FullID, .ImageName, .Project and .Service
	Labels         conf.Strings    `yaml:"labels"`                     // keys of containers' labels that records carry
	Identity       bool            `yaml:"identity"`                   // adds logkeel_id to records, the same each time one is sent, so that a receiver can drop repeats
	Compress       string          `yaml:"compress" enum:"none gzip"`  // how what is sent is compressed
	Ack            bool            `yaml:"ack"`                        // waits for the receiver's acknowledgements; without them, what is sent counts as safe
	AckTimeout     conf.Duration   `yaml:"ack_timeout"`                // how long an acknowledgement may take before the connection is made anew, 100ms to 10m
	ConnectTimeout conf.Duration   `yaml:"connect_timeout"`            // how long a connection may take, handshakes included, 100ms to 10m
	Buffer         conf.Size       `yaml:"buffer"`                     // memory for what is not safe yet, 64KiB for each server to 1GiB
	Spool          Spool           `yaml:"spool"`                      // queue on the disk for what the receiver has not acknowledged
	SharedKey      conf.Secret     `yaml:"shared_key"`                 // key of the Forward protocol, that of the receiver's <security> section
	Username       string          `yaml:"username"`                   // user to log in as; needs shared_key
	Password       conf.Secret     `yaml:"password"`                   // password of the user
	TLS            *tlsconf.Config `yaml:"tls"`                        // encrypts the connection by TLS; the section alone, as tls: {}, switches it on
}

// Spool is where chunks go while the receiver lags.
type Spool struct {
	MaxSize  conf.Size     `yaml:"max_size"`                           // size of the queue on the disk, 32MiB or more for each server that is not on standby
	After    conf.Duration `yaml:"after"`                              // how long a chunk may be unacknowledged and in memory only, 100ms to 1m
	WhenFull string        `yaml:"when_full" enum:"drop_oldest block"` // what happens when the queue is full: the oldest is dropped and counted, or reading waits
}

const (
	dropOldest = "drop_oldest"
	block      = "block"

	onlyFlagged = "flagged"

	plain   = "none"
	gzipped = "gzip"
)

// SetDefaults fills in what a configuration may leave out.
func (c *Config) SetDefaults() {
	*c = Config{
		Records:        "all",
		Tag:            "{{if .Tag}}{{.Tag}}{{else}}{{.Source}}.{{.Name}}{{end}}",
		Compress:       plain,
		Ack:            true,
		AckTimeout:     conf.Duration(10 * time.Second),
		ConnectTimeout: conf.Duration(5 * time.Second),
		Buffer:         4 << 20,
		Spool:          Spool{MaxSize: 1 << 30, After: conf.Duration(time.Second), WhenFull: dropOldest},
	}
}

var (
	nameForm   = conf.NewForm(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)
	minBuffer  = conf.Size(64 << 10)
	maxBuffer  = conf.Size(1 << 30)
	minSpool   = conf.Size(32 << 20) // room for the longest record
	tagUnsound = regexp.MustCompile(`[\x00-\x20\x7f]+`)
)

const (
	noKey  = "set shared_key or shared_key_file as well: the protocol has users only behind a shared key"
	noUser = "set username as well, or leave the password out"
)

// shortest is the least that any of the times may be.
const shortest = 100 * time.Millisecond

// Check says what is wrong with the section at path.
func (c *Config) Check(d *conf.Doc, path string) error {
	var errs []error
	bad := func(field, hint, format string, args ...any) {
		errs = append(errs, d.Errorf(path+field, hint, format, args...))
	}
	if !nameForm.MatchString(c.Name) {
		bad(".name", "give it a name of letters, digits, - and _; its spool and metrics are called by it", "%q is no name", c.Name)
	}
	errs = append(errs, c.checkServers(d, path))
	if c.Records != "all" && c.Records != onlyFlagged {
		bad(".records", "write all or flagged", "%q is neither all nor flagged", c.Records)
	}
	if _, err := parseTag(c.Tag); err != nil {
		bad(".tag", "fields are .Source .Name .Tag .ID .FullID .ImageName .Project .Service", "%w", err)
	}
	// Each server has its share of both.
	if least := minBuffer * conf.Size(c.active()); c.Buffer < least || c.Buffer > maxBuffer {
		bad(".buffer", fmt.Sprintf("write %s to %s", least, maxBuffer), "%s is out of range", c.Buffer)
	}
	if least := minSpool * conf.Size(c.active()); c.Spool.MaxSize < least {
		bad(".spool.max_size", "write "+least.String()+" or more", "%s is too small", c.Spool.MaxSize)
	}
	if c.Compress != plain && c.Compress != gzipped {
		bad(".compress", "write none or gzip", "%q is neither none nor gzip", c.Compress)
	}
	if c.Spool.WhenFull != dropOldest && c.Spool.WhenFull != block {
		bad(".spool.when_full", "write drop_oldest or block", "%q is neither drop_oldest nor block", c.Spool.WhenFull)
	}
	for _, l := range c.Labels {
		if l == "" {
			bad(".labels", "write the container labels' full names", "a label without a name")
		}
	}
	duration := func(field string, v conf.Duration, longest time.Duration) {
		if v := time.Duration(v); v < shortest || v > longest {
			bad(field, fmt.Sprintf("write %s to %s", conf.Duration(shortest), conf.Duration(longest)), "%s is out of range", conf.Duration(v))
		}
	}
	duration(".ack_timeout", c.AckTimeout, 10*time.Minute)
	duration(".connect_timeout", c.ConnectTimeout, 10*time.Minute)
	duration(".spool.after", c.Spool.After, time.Minute)
	if c.Username != "" && c.SharedKey.IsZero() {
		bad(".username", noKey, "a user without a shared key")
	}
	if c.Username == "" && !c.Password.IsZero() {
		bad(".password", noUser, "a password without a user")
	}
	return conf.Join(errs...)
}

// tagData is what a tag's template may use; the names are those of Docker's
// own log tags.
type tagData struct {
	Source    string // the collector's name
	Name      string // the container's, or the last part of the file's path
	ID        string // the container's, 12 digits
	FullID    string
	ImageName string
	Project   string // of Compose
	Service   string
	Tag       string // that records came with by Forward; "" for others
}

func parseTag(text string) (*template.Template, error) {
	t, err := template.New("tag").Parse(text)
	if err != nil {
		return nil, plainer(err)
	}
	id := strings.Repeat("0123456789abcdef", 4)
	sample := tagData{
		Source: "docker", Name: "app-web-1", ID: id[:12], FullID: id, ImageName: "web:1", Project: "app", Service: "web",
	}
	if s, err := renderTag(t, sample); err != nil {
		return nil, plainer(err)
	} else if s == "" {
		return nil, errors.New("the tag is empty")
	}
	return t, nil
}

var goTalk = regexp.MustCompile(`^template: tag:\d+(:\d+)?: (executing "tag" at )?| in type \S+$`)

// plainer takes out of a template's error what only this program's authors know.
func plainer(err error) error { return errors.New(goTalk.ReplaceAllString(err.Error(), "")) }

func renderTag(t *template.Template, d tagData) (string, error) {
	var b strings.Builder
	if err := t.Execute(&b, d); err != nil {
		return "", err
	}
	return tagUnsound.ReplaceAllString(b.String(), "_"), nil
}

// tagFor is the source's tag. Where the template makes none of what the source
// has, it is the collector's name.
func (o *Output) tagFor(s *agent.Source) string {
	tag, err := renderTag(o.tag, tagOf(s))
	if err != nil || tag == "" {
		return s.Collector
	}
	return tag
}

func tagOf(s *agent.Source) tagData {
	d := tagData{Tag: s.Tag, Source: s.Collector, Name: s.Name, Project: s.Label("project"), Service: s.Label("service")}
	if c := s.Container; c != nil {
		d.ID, d.FullID, d.ImageName = c.ID[:min(12, len(c.ID))], c.ID, c.Image
		d.Project, d.Service = c.Project, c.Service
	} else {
		d.Name = d.Name[strings.LastIndexByte(d.Name, '/')+1:]
	}
	return d
}
