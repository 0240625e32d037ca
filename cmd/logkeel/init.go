package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent/printable"
	"github.com/webgrip/logkeel/cmd/scan"
	"github.com/webgrip/logkeel/cmd/setup"
	"github.com/webgrip/logkeel/collectors"
)

// lastWeek is how far back init looks into the logs that are there.
const lastWeek = 7 * 24 * time.Hour

func initCommand() *cobra.Command {
	o := setup.Options{Env: os.LookupEnv, Asks: setup.Answers, Files: os.DirFS("/")}
	noScan := false
	c := &cobra.Command{
		Use:   "init",
		Short: "Look at what runs, and write a configuration for it",
		Long: `Init looks at the engine's containers, or at a Compose file, recognises
applications, web servers, MariaDB, MySQL, PostgreSQL, Redis and Valkey, looks for
log files in volumes, and writes logkeel/agent.yaml, logkeel/rules/own.yaml and
compose.logkeel.yaml, an addition to the Compose file with the service logkeel.
It says what it found and what not, which rights the agent needs, and what the
rules find in last week's logs. It asks nothing, and changes nothing else.

Where no engine answers, and no --host is given, the Compose file in --dir, or the
files in COMPOSE_FILE, are looked at in its place, and that is said.

Secrets are not read into it: where one is needed ${NAME} stands, for .env. Files
that are there are not replaced without --force; then none is written.

Exit codes: 0 it is written; 1 the engine does not answer, or a file cannot be
written; 2 the command line or the Compose file is wrong, or files are there.`,
		Example: `  logkeel init                          # of the containers that run here
  logkeel init --compose compose.yaml   # no engine is needed
  logkeel init --mail-to ops@example.com --smtp smtp.example.com:587
  logkeel init --project shop --dir /srv/shop --fluentd fluentd:24224
  logkeel init --dry-run | less         # what would be written`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			return runInit(cmd, &o, noScan)
		},
	}
	l := c.Flags()
	l.StringVar(&o.Compose, "compose", "", "look at this Compose file, and at no engine")
	l.StringVar(&o.Host, "host", "", "the engine's API (default $DOCKER_HOST, unix:///var/run/docker.sock)")
	l.StringVar(&o.Project, "project", "", "of this Compose project only (default that of --dir, or the only one that runs)")
	l.StringVar(&o.Dir, "dir", ".", "where the files are written")
	l.BoolVar(&o.Force, "force", false, "replace files that are there")
	l.BoolVar(&o.DryRun, "dry-run", false, "print the files, and write none")
	l.BoolP("yes", "y", true, "ask nothing, as ever")
	l.StringSliceVar(&o.MailTo, "mail-to", nil, "who gets mail; with --smtp")
	l.StringVar(&o.SMTP, "smtp", "", "mail server, as smtp.example.com:587")
	l.StringVar(&o.MailFrom, "mail-from", "", "sender of mail (default the first of --mail-to)")
	l.BoolVar(&o.Webhook, "webhook", false, "post alerts to the URL in $ALERT_URL, of .env")
	l.StringVar(&o.Fluentd, "fluentd", "", "aggregator, as fluentd:24224")
	l.StringVar(&o.Image, "image", "logkeel", "image of the service")
	l.BoolVar(&noScan, "no-scan", false, "do not look into logs that are there")
	return c
}

func runInit(cmd *cobra.Command, o *setup.Options, noScan bool) error {
	if (len(o.MailTo) > 0) != (o.SMTP != "") {
		return usageError{errors.New("--mail-to and --smtp go together: who gets mail, and by which server")}
	}
	if o.MailFrom == "" && len(o.MailTo) > 0 {
		o.MailFrom = o.MailTo[0]
	}
	if o.Compose != "" && !cmd.Flags().Changed("dir") {
		o.Dir = filepath.Dir(o.Compose)
	}
	now, end := working(cmd, false)
	defer end()
	now("looking at what runs here")
	files, err := setup.Run(cmd.Context(), *o)
	end()
	if err != nil {
		if o.Compose != "" || errors.As(err, new(*setup.ExistError)) || errors.As(err, new(*setup.ComposeError)) {
			err = usageError{err}
		}
		return err
	}
	if o.Webhook { // where it leads does not matter for what is wrong with the rest
		files[0].Text = strings.ReplaceAll(files[0].Text, "${ALERT_URL}", "https://hooks.example.com/")
	}
	l, err := loadWritten(files)
	if err != nil {
		return err
	}
	if noScan {
		return nil
	}
	return scanWritten(cmd, l)
}

// loadWritten checks what was written, or would have been, in a folder of its own: no
// variable has a value there, and what lies beside the files does not count.
func loadWritten(files []setup.File) (*loaded, error) {
	dir, err := os.MkdirTemp("", "logkeel-init-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(f.Text), 0o600)); err != nil {
			return nil, err
		}
	}
	l, err := load(filepath.Join(dir, files[0].Name))
	if err != nil {
		return nil, fmt.Errorf("what was written needs to be mended; logkeel check says it again: %w", err)
	}
	return l, nil
}

// scanWritten says what the rules find in the logs that are there.
func scanWritten(cmd *cobra.Command, l *loaded) error {
	now, out, errs := time.Now(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	o := scan.Options{
		Set: l.rules, Since: now.Add(-lastWeek), Now: now, JSON: true, Quiet: true, Err: errs,
		Progress: func(text func(time.Duration) string) func() {
			return during(out, errs, false, func(took time.Duration) string { return "last week's logs: " + text(took) })
		},
	}
	var unread []error
	o.Logs, _, unread = collectors.Pasts(l.Collectors, l.baseDir, slog.New(slog.DiscardHandler))
	for _, err := range unread {
		if !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintln(out, "Not looked into:", printable.Text(err.Error()))
		}
	}
	if len(o.Logs) == 0 {
		fmt.Fprintln(out, "No logs were found that could be looked into from here; once the agent runs: logkeel scan --since 7d")
		return nil
	}
	for _, m := range l.Outputs.Email {
		o.Mails = append(o.Mails, scan.Mail{Name: m.Name, Config: m.Config})
	}
	var report bytes.Buffer
	o.Out = &report
	result, err := scan.Run(cmd.Context(), o)
	if err != nil {
		return err
	}
	text, err := digest(report.Bytes())
	if err != nil {
		return err
	}
	fmt.Fprintln(out, text)
	if result.Unread > 0 {
		fmt.Fprintln(out, "Not all of them could be read; see above.")
	}
	return nil
}

// digest is a scan's summary in a sentence or two.
func digest(report []byte) (string, error) {
	var r struct {
		Summary struct {
			Rules []struct {
				Rule     string
				Findings int64
			}
			Lines, Findings int64
			Logs, Mails     int
		}
	}
	if err := json.Unmarshal(report, &r); err != nil {
		return "", fmt.Errorf("the scan's summary: %w", err)
	}
	s := r.Summary
	count := func(n int64, one string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %ss", n, one)
	}
	var most []string
	for _, rule := range s.Rules {
		if rule.Findings > 0 && len(most) < 3 {
			most = append(most, fmt.Sprintf("%s (%d)", rule.Rule, rule.Findings))
		}
	}
	text := fmt.Sprintf("With these rules: %s last week", count(int64(s.Mails), "mail"))
	if len(most) > 0 {
		text += "; most often: " + strings.Join(most, ", ")
	}
	return text + fmt.Sprintf(".\nThat is of %s in %s; logkeel scan --since 7d shows each.", count(s.Lines, "line"), count(int64(s.Logs), "log")), nil
}
