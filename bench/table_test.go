package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	load := func(agent string, rate, peak float64) result {
		return result{Task: "t2", Agent: agent, Values: map[string]float64{"mb": 100, "wall_s": 1, "cpu_s": 100 / rate, "mb_per_cpu_s": rate, "peak_mb": peak}, Checked: "each rule"}
	}
	short := load("other|one", 50, 0)
	delete(short.Values, "peak_mb")
	short.Checked, short.Problem = "", "9 of 10 records came"
	results := []result{
		load(ours, 200, 20), load("other|one", 30, 8), load(ours, 1000, 40), load(ours, 400, 21), short,
		{Task: "start", Agent: ours, Values: map[string]float64{"start_ms": 12.4}, Checked: "number"},
	}
	var b strings.Builder
	if err := write(&b, tasks(), results); err != nil {
		t.Fatal(err)
	}
	want := `
t2: and judge each record by the six rules of the pack operations

|           | runs |  MB | wall s | CPU s | MB/CPU-s | peak MB | of logkeel's | checked                                |
|-----------|-----:|----:|-------:|------:|---------:|--------:|-------------:|----------------------------------------|
| logkeel   |    3 | 100 |   1.00 | 0.250 |      400 |    21.0 |         1.00 | each rule                              |
| other/one |    2 | 100 |   1.00 | 2.667 |       40 |     8.0 |         0.10 | each rule; WRONG: 9 of 10 records came |

start: from the program's start to the first line at the receiver

|         | runs |  ms | checked |
|---------|-----:|----:|---------|
| logkeel |    1 |  12 | number  |
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, -1}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 9, 2}, 3},
	} {
		var results []result
		for _, v := range c.values {
			results = append(results, result{Values: map[string]float64{"x": v}}, result{Values: map[string]float64{"y": 7}})
		}
		if got := median(results, "x"); got != c.want {
			t.Errorf("the median of %v is %v", c.values, got)
		}
	}
}

// Only what logkeel does wrong makes the command fail.
func TestVerdict(t *testing.T) {
	wrong := func(agent string) []result {
		return []result{{Task: "t1", Agent: agent, Problem: "it has read nothing"}}
	}
	if err := verdict(wrong("grep")); err != nil {
		t.Error(err)
	}
	if err := verdict(wrong(ours)); err == nil || !strings.Contains(err.Error(), "it has read nothing") {
		t.Errorf("%v", err)
	}
}

func TestParse(t *testing.T) {
	for args, want := range map[string]string{
		"-tasks t9":     `there is no task "t9"`,
		"-mb 0":         "above 0",
		"-rounds -1":    "above 0",
		"t1":            `unknown argument "t1"`,
		"-idle banana":  "invalid value",
		"-agents a,b":   "",
		"-tasks t1,t2 ": "",
	} {
		_, err := parse(strings.Fields(args), t.Output())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
