package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/webgrip/logkeel/agent/printable"
)

// The files that are written.
const (
	agentName   = "logkeel/agent.yaml"
	rulesName   = "logkeel/rules/own.yaml"
	composeName = "compose.logkeel.yaml"

	defaultHost     = "unix:///var/run/docker.sock"
	webhookVariable = "ALERT_URL"
)

// Options say what is looked at, and what is written.
type Options struct {
	Compose string // a Compose file, in place of the engine
	Host    string // of the engine's API; "" is the usual one
	Project string // of Compose; "": that of Dir, or the only one
	Dir     string // where the files go
	Force   bool   // over files that are there
	DryRun  bool   // print them

	MailTo         []string
	SMTP, MailFrom string
	Fluentd, Image string
	Webhook        bool // alerts go to the URL in a variable as well

	Out   io.Writer
	Env   func(string) (string, bool)
	Files fs.FS             // of the machine, from /
	Asks  func(string) bool // whether a URL of this machine answers with success
}

// A File is one that is written.
type File struct{ Name, Text string }

// An ExistError names the files that are there already; none was written.
type ExistError struct{ Files []string }

func (e *ExistError) Error() string {
	return "already there: " + printable.Line(strings.Join(e.Files, ", ")) + "; nothing was written. Use --force to replace them, --dir for another folder, or --dry-run to see what would be written"
}

// Run looks, and writes; it prints what it found. The files are returned as well.
func Run(ctx context.Context, o Options) ([]File, error) {
	f, err := inspect(ctx, &o)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	asks := o.Asks
	if !f.Engine { // the file may be of another machine
		asks = nil
	}
	p := makePlan(f, o.Files, asks)
	p.MailTo, p.SMTP, p.MailFrom, p.Fluentd, p.Image, p.Webhook = o.MailTo, o.SMTP, o.MailFrom, o.Fluentd, o.Image, o.Webhook
	files := []File{{agentName, p.agentYAML()}, {rulesName, p.rulesYAML()}, {composeName, p.composeYAML(dir)}}
	if o.DryRun {
		for _, file := range files {
			fmt.Fprintf(o.Out, "--- %s\n%s\n", printable.Line(filepath.Join(o.Dir, file.Name)), file.Text)
		}
	} else if err := write(dir, files, o.Force); err != nil {
		return nil, err
	}
	p.print(o.Out)
	if !o.DryRun {
		for _, file := range files {
			fmt.Fprintln(o.Out, "Written:", printable.Line(filepath.Join(o.Dir, file.Name)))
		}
	}
	return files, nil
}

// A ComposeError says that the Compose file in the folder is wrong, of which nobody spoke.
type ComposeError struct{ error }

func (e *ComposeError) Unwrap() error { return e.error }

func inspect(ctx context.Context, o *Options) (*Found, error) {
	if o.Compose != "" {
		return inspectCompose(o.Compose, o.Project, o.Env)
	}
	f, err := inspectEngine(ctx, o.Host, o.Project, o.Dir)
	if err != nil && o.Host == "" {
		if which := chooseFiles(o.Dir, o.Env); len(which.files) > 0 {
			f, other := inspectFiles(which, o.Project, o.Env)
			if other != nil {
				if which.given {
					other = fmt.Errorf("COMPOSE_FILE: %w", other)
				}
				return nil, &ComposeError{fmt.Errorf("%w\nit was looked at for the engine does not answer (%w)", other, err)}
			}
			f.Notes = append(f.Notes, fmt.Sprintf("the engine does not answer (%v): this is of %s alone; run it again where the engine can be asked", err, strings.Join(append([]string{which.files[0]}, f.More...), ", ")))
			return f, nil
		}
	}
	if err == nil {
		f.Host, _ = o.Env("DOCKER_HOST")
		f.Host = cmp.Or(o.Host, f.Host, defaultHost)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; is Docker running, and may this user open its socket? With --compose FILE no engine is needed", err)
	}
	return f, nil
}

// composeIn is the Compose file of a folder, as Compose looks for it, or "".
func composeIn(dir string) string {
	for _, name := range composeNames {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file
		}
	}
	return ""
}

// host is the engine's API, as the agent asks it.
func (p *Plan) host() string { return cmp.Or(p.Host, defaultHost) }

// write makes all of the files, or where one is there already and may not be
// replaced, none.
func write(dir string, files []File, force bool) error {
	exist := &ExistError{}
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if _, err := os.Lstat(path); err == nil {
			exist.Files = append(exist.Files, path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if len(exist.Files) > 0 && !force {
		return exist
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := replace(path, f.Text); err != nil {
			return err
		}
	}
	return nil
}

// replace writes a file beside its place, and then puts it there.
func replace(path, text string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".logkeel-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// print says what was found, and what not.
func (p *Plan) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tIS\tKNOWN BY\tWHAT IS DONE")
	for _, r := range p.Rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable.Line(r.Service), printable.Line(r.Kind), printable.Line(r.How), printable.Line(r.Done))
	}
	_ = w.Flush()
	if len(p.Rows) == 0 {
		fmt.Fprintln(out, "No service was found: the configuration is for the machine, and for containers that will come.")
	}
	for _, b := range p.Backups {
		fmt.Fprintln(out, "Backups:", printable.Line(strings.Join(append([]string{b.Path}, b.Files...), " ")))
	}
	if p.Webhook {
		p.Missing = append(p.Missing, "the URL of the webhook is not written down: put "+webhookVariable+"=... into .env")
	}
	all := append(p.Missing, p.Notes...)
	if len(all) > 0 {
		fmt.Fprintln(out, "\nNot found, or to be done:")
	}
	for _, m := range all {
		fmt.Fprintln(out, " -", printable.Line(m))
	}
	for i := range p.Stores {
		t := &p.Stores[i]
		if !t.Kind.redis() {
			fmt.Fprintf(out, "\nIn %s, as an administrator, with a password of your own in place of ...; then LOGKEEL_DB_PASSWORD=... into .env:\n", printable.Line(t.Service.Name))
			for _, g := range t.grants() {
				fmt.Fprintln(out, " ", g)
			}
		} else {
			fmt.Fprintf(out, "\nIn %s, for a user of its own (else the agent comes as the default user):\n  %s\n", printable.Line(t.Service.Name), t.acl())
		}
	}
	fmt.Fprintln(out)
}

// Answers asks a URL of this machine, for two seconds.
func Answers(url string) bool {
	c := http.Client{
		Timeout:       2 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := c.Get(url)
	if err != nil {
		return false
	}
	_ = r.Body.Close()
	return r.StatusCode == http.StatusOK
}
