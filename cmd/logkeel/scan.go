package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
	"github.com/webgrip/logkeel/agent/printable"
	"github.com/webgrip/logkeel/cmd/scan"
	"github.com/webgrip/logkeel/collectors"
	"github.com/webgrip/logkeel/rules"
)

// errFound says that a scan found something, where that is a failure.
var errFound = errors.New("something was found")

// errUnread says that a scan has not seen all; what, it has said.
var errUnread = errors.New("not all could be read")

type scanFlags struct {
	since, until, format                           string
	services, containers, class, severity, ruleSet []string
	rules                                          []string
	rotated, quiet, json, failOnMatch              bool
	limit                                          int
}

func scanCommand(config *string) *cobra.Command {
	f := scanFlags{limit: 200}
	c := &cobra.Command{
		Use:   "scan [FILE ... | -]",
		Short: "Read past logs with the rules, and say what would have been found and mailed",
		Long: `Scan reads the logs that the configuration collects, rotated and compressed ones
included, or the files that are named; "-" is standard input. It prints what the
rules find, in the order of time, then a table of the rules, and which alerts and
mails that would have made, and when. It sends, stores and changes nothing.

Files may be text, Docker's json-file logs, what docker compose logs prints, and
any of these compressed with gzip (*.gz). Secrets are cut out as when running.

--rules tries files or packs instead of the configured rules. With files and
--rules no configuration is needed. Times are 24h or 7d (ago), 2026-01-02,
"2026-01-02 15:04" (local), or as in RFC 3339; --until is not included.
--service, --container, --class, --severity and --rule take lists, and * in them.

Exit codes: 0 it ran, whatever it found; 1 it failed, or something could not be
read (the rest is in the report); 2 the command line or the configuration is wrong;
3 something was found, with --fail-on-match.`,
		Example: `  logkeel scan --since 24h                           # what the agent would have told since yesterday
  logkeel scan --since 7d --quiet --rule 'Payment*'  # how often, and how many mails
  docker compose logs --no-color --timestamps app | logkeel scan -
  logkeel scan --rules rules/new.yaml /var/log/nginx/access.log --rotated
  logkeel scan --rules pack:operations incident.txt
  logkeel scan --since 1h --severity critical --json | jq .line`,
		RunE: func(cmd *cobra.Command, args []string) error { return runScan(cmd, *config, &f, args) },
	}
	l := c.Flags()
	l.StringVar(&f.since, "since", "", "only lines from this time on")
	l.StringVar(&f.until, "until", "", "only lines before this time")
	l.StringSliceVar(&f.services, "service", nil, "only logs of these Compose services")
	l.StringSliceVar(&f.containers, "container", nil, "only logs of these containers")
	l.StringSliceVar(&f.class, "class", nil, "only rules of these classes")
	l.StringSliceVar(&f.severity, "severity", nil, "only rules of these severities")
	l.StringSliceVar(&f.ruleSet, "rule", nil, "only these rules")
	l.StringArrayVar(&f.rules, "rules", nil, "rule file, pattern or pack:NAME, instead of the configured rules; may be repeated")
	l.BoolVar(&f.rotated, "rotated", false, "read the older files of each FILE as well (app.log.1, app.log.2.gz)")
	l.StringVar(&f.format, "multiline", "", "format of records of several lines in each FILE: "+strings.Join(multiline.Names(), ", "))
	l.IntVar(&f.limit, "limit", f.limit, "matches that are printed of each rule; 0: all")
	l.BoolVarP(&f.quiet, "quiet", "q", false, "print no matches, only the table")
	l.BoolVar(&f.json, "json", false, "print a JSON object a match, and then a summary")
	l.BoolVar(&f.failOnMatch, "fail-on-match", false, "exit with 3 where something was found")
	return c
}

func runScan(cmd *cobra.Command, config string, f *scanFlags, args []string) error {
	now := time.Now()
	o := scan.Options{
		Files: args, In: cmd.InOrStdin(), Rotated: f.rotated, Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr(),
		JSON: f.json, Quiet: f.quiet, Limit: f.limit, Now: now, Color: styleOf(cmd.OutOrStdout()).color,
		Progress: func(text func(time.Duration) string) func() {
			return during(cmd.OutOrStdout(), cmd.ErrOrStderr(), f.quiet, text)
		},
	}
	if err := f.apply(&o, now); err != nil {
		return usageError{err}
	}
	unread, err := f.configure(&o, config)
	if err != nil {
		return err
	}
	result, err := scan.Run(cmd.Context(), o)
	for _, err := range unread {
		fmt.Fprintf(o.Err, "logkeel scan: %s\n", printable.Text(err.Error()))
	}
	switch {
	case err != nil:
		return err
	case result.Unread+len(unread) > 0:
		return errUnread
	case f.failOnMatch && result.Findings > 0:
		return errFound
	}
	return nil
}

// apply reads the flags.
func (f *scanFlags) apply(o *scan.Options, now time.Time) (err error) {
	if o.Since, err = parseWhen(f.since, now); err != nil {
		return fmt.Errorf("--since %w", err)
	}
	if o.Until, err = parseWhen(f.until, now); err != nil {
		return fmt.Errorf("--until %w", err)
	}
	if !o.Until.IsZero() && !o.Since.Before(o.Until) {
		return errors.New("--since is not before --until: there is nothing between; turn them round")
	}
	if f.limit < 0 {
		return fmt.Errorf("--limit %d is out of range; write 0 for all, or how many", f.limit)
	}
	if f.format != "" {
		var ok bool
		if o.Format, ok = multiline.Preset(f.format); !ok {
			return fmt.Errorf("--multiline: there is no format %q; write one of %s", f.format, strings.Join(multiline.Names(), ", "))
		}
	}
	for flag, patterns := range map[string][]string{"service": f.services, "container": f.containers, "class": f.class, "severity": f.severity, "rule": f.ruleSet} {
		for _, p := range patterns {
			if _, err := path.Match(p, ""); err != nil {
				return fmt.Errorf("--%s: %q is no pattern; close each [", flag, p)
			}
		}
	}
	o.Source = func(s *agent.Source) bool {
		return among(f.services, s.Label("service")) && among(f.containers, s.Label("container"))
	}
	o.Rule = func(r *agent.Rule) bool {
		return among(f.class, r.Class) && among(f.severity, r.Severity) && among(f.ruleSet, r.Name)
	}
	return nil
}

// among says that one of the patterns matches, or that there is none.
func among(patterns []string, s string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, s)
		return ok
	})
}

// configure takes over what the configuration says, where there is one.
func (f *scanFlags) configure(o *scan.Options, config string) (unread []error, err error) {
	redact := rules.Redact{Secrets: true}
	if _, err := configPath(config); err == nil || len(o.Files) == 0 || len(f.rules) == 0 {
		l, err := load(config)
		if err != nil {
			if len(o.Files) > 0 && len(f.rules) == 0 {
				err = usageError{fmt.Errorf("%w; or name rules with --rules FILE or --rules pack:operations", err)}
			}
			return nil, err
		}
		var elsewhere []string
		o.Set, redact = l.rules, l.Redact
		o.Logs, elsewhere, unread = collectors.Pasts(l.Collectors, l.baseDir, slog.New(slog.DiscardHandler))
		for _, m := range l.Outputs.Email {
			o.Mails = append(o.Mails, scan.Mail{Name: m.Name, Config: m.Config})
		}
		for _, w := range l.Outputs.Webhook {
			o.Mails = append(o.Mails, scan.Mail{Name: w.Name, Config: w.Config})
		}
		if len(o.Files) > 0 {
			unread, elsewhere = nil, nil // it is not asked for
		}
		for _, e := range elsewhere {
			fmt.Fprintln(o.Err, "logkeel scan: note:", e)
		}
		if len(o.Files) == 0 && len(o.Logs) == 0 && len(unread) == 0 {
			return nil, usageError{fmt.Errorf("%s names no logs that are files; name files, or pipe logs in: docker compose logs --no-color --timestamps | logkeel scan -", l.doc.File)}
		}
	}
	if len(f.rules) > 0 {
		var c rules.Config
		for _, r := range f.rules {
			if pack, ok := strings.CutPrefix(r, "pack:"); ok {
				c.Packs = append(c.Packs, pack)
			} else {
				c.Files = append(c.Files, r)
			}
		}
		here, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		if o.Set, err = rules.Load(c, here, rules.Redacting(redact)); err != nil {
			return nil, usageError{fmt.Errorf("--rules: %w", err)}
		}
	}
	if !slices.ContainsFunc(o.Set.Rules(), func(r *agent.Rule) bool { return o.Set.OnLines(r) && o.Rule(r) }) {
		return nil, usageError{errors.New("no rule on lines is left to try; see rules in the configuration, --rules, --rule, --class and --severity")}
	}
	return unread, nil
}

// parseWhen reads a time, or how long ago it was; zero where s is empty.
func parseWhen(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 && n < 100_000 {
			return now.Add(-time.Duration(n * 24 * float64(time.Hour))), nil
		}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 24h, 7d, 2026-01-02, \"2026-01-02 15:04\" or 2026-01-02T15:04:05Z", s)
}
