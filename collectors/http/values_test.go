package probe

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

const queue = `{"simple_db_check":true,"cache":"up","queue_data":{"failed":2,"pending":7.5}}`

func TestNumbersOfTheJSON(t *testing.T) {
	for _, c := range []struct {
		item, says string
		want       snapshot
	}{
		{"values: [queue_data.failed, queue_data.pending]", "", snapshot{"logkeel_http_json_value{queue_data.failed}": 2, "logkeel_http_json_value{queue_data.pending}": 7.5, "logkeel_http_json_values_omitted": 0}},
		{"values: queue_data.*", "", snapshot{"logkeel_http_json_value{queue_data.failed}": 2, "logkeel_http_json_value{queue_data.pending}": 7.5}},
		{"values: simple_db_check", "", snapshot{"logkeel_http_json_value{simple_db_check}": 1}},
		{"values: [cache, queue_data.failed]", `cache is "up", want a number`, snapshot{"logkeel_http_json_value{queue_data.failed}": 2, "logkeel_http_assertion_failed{json}": 1}},
		{"values: queue_data.none", "queue_data.none is not there (queue_data has failed, pending), want a number", snapshot{"probe_success": 0}},
		{"expect: {json: {queue_data.failed: {below: 3}, queue_data.pending: {above: 7, below: 8}}}", "", snapshot{"probe_success": 1}},
		{"expect: {json: {queue_data.failed: {below: 2}}}", "queue_data.failed is 2, want a number below 2", snapshot{"probe_success": 0}},
		{"expect: {json: {queue_data.*: {above: 2, below: 7}}}", "queue_data.failed is 2, want a number above 2 and below 7; queue_data.pending is 7.5, want a number above 2 and below 7", nil},
		{"expect: {json: {cache: {below: 2}}}", `cache is "up", want a number below 2`, nil},
	} {
		got, err := sample(t, t.Context(), sampler(t, "url: "+serve(t, text(200, "application/json", queue))+"\n"+c.item))
		if c.says == "" && err != nil {
			t.Errorf("%s: %v", c.item, err)
		} else if c.says != "" {
			says(t, err, c.says)
		}
		got.want(t, c.want)
	}
}

// A server cannot make any number of series.
func TestNumbersAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&b, `,"k%d":%[1]d`, i)
	}
	got, err := sample(t, t.Context(), sampler(t, "url: "+serve(t, text(200, "", "{"+b.String()[1:]+"}"))+"\nvalues: '*'"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for key := range got {
		if strings.HasPrefix(key, "logkeel_http_json_value{") {
			n++
		}
	}
	if n != maxValues {
		t.Errorf("%d values", n)
	}
	got.want(t, snapshot{"logkeel_http_json_values_omitted": 9_900})
}

func TestHeaderVersionAndBody(t *testing.T) {
	for _, c := range []struct{ expect, says string }{
		{"{headers: {content-type: '^application/json'}, version: 1.1, not_body_regexp: error}", ""},
		{"{headers: {Content-Type: html}}", `the header Content-Type is "application/json", want "html"`},
		{"{headers: {X-None: .}}", "the header X-None is not there"},
		{"{version: 2}", "it is HTTP/1.1, want 2"},
		{"{version: [1.0, 2]}", "it is HTTP/1.1, want 1.0 or 2"},
		{"{not_body_regexp: 'che..:'}", `not_body_regexp "che..:" does not`},
		{"{not_body_regexp: 'cache.*up'}", `not_body_regexp "cache.*up" matches the body: "ple_db_check\":true,\"cache\":\"up\"`},
	} {
		_, err := sample(t, t.Context(), sampler(t, "url: "+serve(t, text(200, "application/json", queue))+"\nexpect: "+c.expect))
		if c.says == "" || strings.HasSuffix(c.says, "does not") {
			if err != nil {
				t.Errorf("%s: %v", c.expect, err)
			}
			continue
		}
		says(t, err, c.says)
	}
}

// The record has what curl -w prints, and why it failed.
func TestRecords(t *testing.T) {
	record := func(s *Sampler) map[string]any {
		all := map[string]any{}
		s.Records(func(fields []agent.Field) {
			for _, f := range fields {
				all[f.Name] = f.Value
			}
		})
		return all
	}
	s := sampler(t, "url: "+serve(t, text(200, "application/json", queue))+"/health?token=s3cret\nvalues: queue_data.failed\nexpect: {json: {queue_data.failed: 0}}")
	if got := record(s); len(got) > 0 {
		t.Errorf("a record before the first probe: %v", got)
	}
	samples, _ := sample(t, t.Context(), s)
	got := record(s)
	for name, want := range map[string]any{
		"success": false, "http_code": int64(200), "http_version": "1.1", "method": "GET", "num_redirects": int64(0), "size_download": int64(len(queue)), "remote_ip": "127.0.0.1",
		"json.queue_data.failed": 2.0, "time_total": samples["logkeel_http_time_seconds{total}"], "phase_processing": samples["probe_http_duration_seconds{processing}"],
	} {
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if url := fmt.Sprint(got["url"]); !strings.HasSuffix(url, "/health") {
		t.Errorf("the URL is %s", url)
	}
	if reason := fmt.Sprint(got["error"]); !strings.HasSuffix(reason, "queue_data.failed is 2, want 0") || strings.Contains(fmt.Sprint(got), "s3cret") {
		t.Errorf("%v", got)
	}
	s = sampler(t, "url: http://127.0.0.1:1/")
	sample(t, t.Context(), s)
	if got := record(s); got["success"] != false || got["http_code"] != int64(0) || got["remote_ip"] != "" || !strings.Contains(fmt.Sprint(got["error"]), "connection refused") {
		t.Errorf("%v", got)
	}
}

// A place is one series, however many paths lead to it: of two Prometheus would have none.
func TestNumbersOnceEach(t *testing.T) {
	var got []string
	s := sampler(t, "url: "+serve(t, text(200, "", `{"a":{"b":1},"a.b":2,"c":3}`))+"\nvalues: [a.b, a\\.b, c, c]")
	if err := s.Sample(t.Context(), func(s agent.Sample) {
		if s.Name == "logkeel_http_json_value" {
			got = append(got, fmt.Sprint(s.Labels[0].Value, s.Value))
		}
	}); err != nil || strings.Join(got, " ") != "a.b1 c3" {
		t.Errorf("%q, %v", got, err)
	}
}
