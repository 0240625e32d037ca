package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/printable"
	"github.com/webgrip/logkeel/rules"
)

// maxExplained bounds a line that is read, in bytes: the agent's own records are
// not longer.
const maxExplained = 1 << 20

func explainCommand(config *string) *cobra.Command {
	var o explainOptions
	c := &cobra.Command{
		Use:   "explain LINE",
		Short: "Say which rules hold for a line of a log, and why not the others",
		Long: `Explain judges a line by the rules of the configuration, as the agent would, and
says of each rule that it holds, and for what text, or the first thing that it
asks for and that is not so: the labels of the log, the text that has to be
there, a condition under where, an expression under not. With - it reads lines
from standard input.

The line is in a log with the labels of --source. What redact cuts out is gone
before rules look.`,
		Example: `  logkeel explain 'payment declined by the bank'
  logkeel explain --source service=shop,container=shop-1 'payment declined'
  logkeel explain --rule PaymentDeclined 'test card: payment declined'
  docker compose logs --no-log-prefix shop | logkeel explain --source service=shop -`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("it takes one line, in quotes, or - for standard input; see %s --help", c.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := load(*config)
			if err != nil {
				return err
			}
			if err := o.prepare(l.rules); err != nil {
				return err
			}
			o.out, o.style = bufio.NewWriter(cmd.OutOrStdout()), styleOf(cmd.OutOrStdout())
			if args[0] != "-" {
				o.explain(args[0])
			} else if err := o.each(cmd.InOrStdin()); err != nil {
				return err
			}
			o.sayLeftOut()
			return o.out.Flush()
		},
	}
	c.Flags().StringToStringVar(&o.labels, "source", nil, "labels of the log that the line is in, as service=shop,container=shop-1")
	c.Flags().StringVar(&o.rule, "rule", "", "only this rule")
	c.Flags().BoolVar(&o.all, "all", false, "name all rules, not only those that hold or nearly do")
	c.Flags().BoolVar(&o.json, "json", false, "write a JSON object for each line")
	return c
}

type explainOptions struct {
	labels map[string]string
	rule   string
	all    bool
	json   bool

	set   *rules.Set
	only  *agent.Rule
	src   *agent.Source
	out   *bufio.Writer
	style style
	count int // lines so far
}

func (o *explainOptions) prepare(set *rules.Set) error {
	o.set, o.src = set, rules.NewSource(o.labels)
	if o.rule == "" {
		return nil
	}
	list := set.Rules()
	i := slices.IndexFunc(list, func(r *agent.Rule) bool { return r.Name == o.rule })
	switch {
	case i < 0:
		return usageError{fmt.Errorf("there is no rule %q; the configuration has %d", o.rule, len(list))}
	case !set.OnLines(list[i]):
		return usageError{fmt.Errorf("%s is a rule on a sample; explain is about lines", o.rule)}
	}
	o.only = list[i]
	if o.labels == nil { // the rule's own: who asks for it means a log that it is for
		o.src = rules.NewSource(set.Labels(o.only))
	}
	return nil
}

// each explains each line of r.
func (o *explainOptions) each(r io.Reader) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxExplained)
	for in.Scan() {
		o.explain(in.Text())
	}
	if err := in.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than %d bytes", o.count+1, maxExplained)
	} else if err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("read standard input: %w", err)
	}
	return nil
}

func (o *explainOptions) explain(line string) {
	o.count++
	var list []rules.Verdict
	if o.only != nil {
		list = []rules.Verdict{o.set.Explain(o.src, line, o.only)}
	} else {
		list = o.set.ExplainAll(o.src, line)
	}
	seen := line // as rules see it
	if len(list) > 0 {
		seen = list[0].Line
	}
	slices.SortStableFunc(list, func(a, b rules.Verdict) int { return cmp.Compare(order(&a), order(&b)) })
	if o.json {
		o.writeJSON(seen, seen != line, list)
		return
	}
	if o.count > 1 {
		fmt.Fprintln(o.out)
	}
	fmt.Fprintln(o.out, printable.Line(seen))
	if seen != line {
		fmt.Fprintln(o.out, "  "+o.style.warn("secrets were cut out before rules look, as redact says"))
	}
	rest := 0
	for i := range list {
		v := &list[i]
		if !v.Holds && !v.Near && !o.all && o.only == nil {
			rest++
			continue
		}
		o.write(v)
	}
	o.writeRest(rest, len(list))
}

// order has what holds before what nearly does.
func order(v *rules.Verdict) int {
	switch {
	case v.Holds:
		return 0
	case v.Near:
		return 1
	}
	return 2
}

func (o *explainOptions) write(v *rules.Verdict) {
	r := v.Rule
	word := o.style.bad("no   ")
	if v.Holds {
		word = o.style.good("holds")
	}
	fmt.Fprintf(o.out, "  %s  %s (%s, %s) %s:%d\n", word, r.Name, r.Class, r.Severity, printable.Line(r.File), r.Line)
	if v.Text != "" {
		fmt.Fprintf(o.out, "         %s\n", o.marked(v))
	}
	if v.Why != "" {
		fmt.Fprintf(o.out, "         %s\n", printable.Line(v.Why))
	}
}

// marked is the line with what matched between signs, and some of what is round
// it.
func (o *explainOptions) marked(v *rules.Verdict) string {
	const around = 60
	before, after := []rune(v.Line[:v.Start]), []rune(v.Line[v.End:])
	head, tail := "", ""
	if len(before) > around {
		before, head = before[len(before)-around:], "…"
	}
	if len(after) > around {
		after, tail = after[:around], "…"
	}
	return head + printable.Line(string(before)) + o.style.mark("»"+printable.Line(v.Text)+"«") + printable.Line(string(after)) + tail
}

func (o *explainOptions) writeRest(rest, lines int) {
	switch {
	case o.only != nil:
		return
	case rest > 0 && lines == rest:
		fmt.Fprintf(o.out, "  no rule holds: %s (--all says why not)\n", plural(rest, "rule"))
	case rest > 0:
		fmt.Fprintf(o.out, "  and %s of which nothing is in it (--all says why)\n", plural(rest, "rule"))
	case lines == 0:
		fmt.Fprintln(o.out, "  the configuration has no rules on lines")
	}
}

// sayLeftOut says at the end how many rules lines have nothing to do with.
func (o *explainOptions) sayLeftOut() {
	if n := o.onSamples(); n > 0 && o.only == nil && !o.json {
		fmt.Fprintf(o.out, "(%s on samples left out)\n", plural(n, "rule"))
	}
}

func (o *explainOptions) onSamples() (n int) {
	for _, r := range o.set.Rules() {
		if !o.set.OnLines(r) {
			n++
		}
	}
	return n
}

// An explained is one line as JSON has it.
type explained struct {
	Line     string          `json:"line"` // as rules see it
	Redacted bool            `json:"redacted"`
	Rules    []explainedRule `json:"rules"`
	Samples  int             `json:"sample_rules"` // that are left out
}

type explainedRule struct {
	Rule     string `json:"rule"`
	Class    string `json:"class"`
	Severity string `json:"severity"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Holds    bool   `json:"holds"`
	Near     bool   `json:"near,omitempty"`
	Match    string `json:"match,omitempty"`
	Start    int    `json:"start,omitempty"`
	Why      string `json:"why,omitempty"`
}

func (o *explainOptions) writeJSON(line string, redacted bool, list []rules.Verdict) {
	e := explained{Line: line, Redacted: redacted, Rules: []explainedRule{}, Samples: o.onSamples()}
	for i := range list {
		v := &list[i]
		if v.Holds || v.Near || o.all || o.only != nil {
			r := v.Rule
			e.Rules = append(e.Rules, explainedRule{r.Name, r.Class, r.Severity, r.File, r.Line, v.Holds, v.Near && !v.Holds, v.Text, v.Start, v.Why})
		}
	}
	b, err := json.Marshal(&e)
	if err != nil {
		return // texts and numbers
	}
	o.out.WriteString(strings.ToValidUTF8(string(b), "\ufffd") + "\n")
}
