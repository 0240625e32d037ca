package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// write prints a table a task, with the medians of all rounds.
func write(w io.Writer, all []*task, results []result) error {
	for _, t := range all {
		var rows [][]string
		reference := median(of(results, t.name, ours), "mb_per_cpu_s")
		for _, who := range contendersOf(results, t.name) {
			rows = append(rows, row(t, who, of(results, t.name, who), reference))
		}
		if len(rows) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s: %s\n\n%s", t.name, t.title, markdown(append([][]string{heads(t)}, rows...))); err != nil {
			return err
		}
	}
	return nil
}

func heads(t *task) []string {
	h := []string{"", "runs"}
	for _, c := range t.columns {
		h = append(h, c.head)
	}
	if rated(t) {
		h = append(h, "of "+ours+"'s")
	}
	return append(h, "checked")
}

// rated reports whether the task's result is a rate that is compared.
func rated(t *task) bool {
	return slices.ContainsFunc(t.columns, func(c column) bool { return c.key == "mb_per_cpu_s" })
}

func row(t *task, who string, results []result, reference float64) []string {
	r := []string{who, strconv.Itoa(len(results))}
	for _, c := range t.columns {
		r = append(r, number(median(results, c.key), c.decimals))
	}
	if rated(t) {
		share := -1.0
		if reference > 0 {
			share = median(results, "mb_per_cpu_s") / reference
		}
		r = append(r, number(share, 2))
	}
	var said []string
	for _, x := range results {
		text := x.Checked
		if x.Problem != "" {
			text = "WRONG: " + x.Problem
		}
		if !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	return append(r, strings.Join(said, "; "))
}

// number leaves out what is not known.
func number(v float64, decimals int) string {
	if v < 0 {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// median of the values that there are; -1 where there is none. Of an even
// number it is the mean of the two in the middle.
func median(results []result, key string) float64 {
	var all []float64
	for _, r := range results {
		if v, ok := r.Values[key]; ok {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return -1
	}
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

func of(results []result, task, who string) (some []result) {
	for _, r := range results {
		if r.Task == task && r.Agent == who {
			some = append(some, r)
		}
	}
	return some
}

// contendersOf a task, in the order in which they came.
func contendersOf(results []result, task string) (names []string) {
	for _, r := range results {
		if r.Task == task && !slices.Contains(names, r.Agent) {
			names = append(names, r.Agent)
		}
	}
	return names
}

// markdown lays rows out as a table, the first of them its head. The first and
// the last column are text, the others numbers.
func markdown(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i := range r {
			r[i] = strings.ReplaceAll(r[i], "|", "/")
			widths[i] = max(widths[i], 3, utf8.RuneCountInString(r[i]))
		}
	}
	last := len(widths) - 1
	var b strings.Builder
	for n, r := range rows {
		for i, cell := range r {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch i {
			case 0:
				b.WriteString("| " + cell + pad)
			case last:
				b.WriteString(" | " + cell + pad + " |\n")
			default:
				b.WriteString(" | " + pad + cell)
			}
		}
		if n > 0 {
			continue
		}
		for i, w := range widths {
			if i == 0 || i == last {
				b.WriteString("|" + strings.Repeat("-", w+2))
			} else {
				b.WriteString("|" + strings.Repeat("-", w+1) + ":")
			}
		}
		b.WriteString("|\n")
	}
	return b.String()
}
