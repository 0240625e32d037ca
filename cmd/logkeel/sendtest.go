package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/webgrip/logkeel/agent/printable"
	"github.com/webgrip/logkeel/outputs"
)

// testers are those of the output with that name, of all where it is "".
func testers(c outputs.Config, output string) ([]outputs.Tester, error) {
	all := outputs.Testers(c)
	if len(all) == 0 {
		return nil, usageError{fmt.Errorf("no output tells people of alerts: nothing can be sent; see outputs.email, outputs.webhook and outputs.alertmanager in docs/configuration.md")}
	}
	if output == "" {
		return all, nil
	}
	var names []string
	for _, t := range all {
		if t.Name == output {
			return []outputs.Tester{t}, nil
		}
		names = append(names, t.Name)
	}
	return nil, usageError{fmt.Errorf("no output that tells people of alerts is called %q; there is %s", output, strings.Join(names, ", "))}
}

// sendTests sends a test through each and says how that went, receiver by
// receiver.
func sendTests(ctx context.Context, w io.Writer, all []outputs.Tester, now func(string, ...any)) error {
	s := styleOf(w)
	failed, sent := 0, 0
	for _, t := range all {
		fmt.Fprintf(w, "a test through %s %s, by %s\n", t.Kind, t.Name, t.To)
		now("waiting for %s", t.To)
		err := t.Send(ctx, func(receiver string, err error) {
			if err != nil {
				failed++
				fmt.Fprintf(w, "  %s  %s: %s\n", s.bad("failed"), printable.Line(receiver), printable.Line(err.Error()))
				return
			}
			sent++
			fmt.Fprintf(w, "  %s  %s: the server has taken it\n", s.good("sent  "), printable.Line(receiver))
		})
		if err != nil {
			failed++
			fmt.Fprintf(w, "  %s  nobody has it: %s\n", s.bad("failed"), printable.Line(err.Error()))
		}
	}
	if sent > 0 {
		fmt.Fprintln(w, "What a server has taken may still be sorted out on its way: see whether it is there, and not among spam.")
	}
	if failed > 0 {
		return fmt.Errorf("the test failed for %d of %d", failed, failed+sent)
	}
	return nil
}
