package probe

import (
	"time"

	"github.com/webgrip/logkeel/agent"
)

func (r *Result) samples(success bool, yield func(agent.Sample)) {
	gauge := func(name, help string, value float64, labels ...agent.Label) {
		yield(agent.Sample{Name: name, Help: help, Value: value, Labels: labels})
	}
	gauge("probe_success", "Displays whether or not the probe was a success", number(success))
	gauge("probe_duration_seconds", "Returns how long the probe took to complete in seconds", r.Times.Total.Seconds())
	gauge("probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", r.Phases.Resolve.Seconds())
	for _, p := range [...]struct {
		name string
		took time.Duration
	}{
		{"resolve", r.Phases.Resolve},
		{"connect", r.Phases.Connect},
		{"tls", r.Phases.TLS},
		{"processing", r.Phases.Processing},
		{"transfer", r.Phases.Transfer},
	} {
		gauge("probe_http_duration_seconds", "Duration of http request by phase, summed over all redirects", p.took.Seconds(), agent.Label{Name: "phase", Value: p.name})
	}
	for _, p := range [...]struct {
		name string
		at   time.Duration
	}{
		{"namelookup", r.Times.NameLookup},
		{"connect", r.Times.Connect},
		{"appconnect", r.Times.AppConnect},
		{"pretransfer", r.Times.Pretransfer},
		{"redirect", r.Times.Redirect},
		{"starttransfer", r.Times.StartTransfer},
		{"total", r.Times.Total},
	} {
		gauge("logkeel_http_time_seconds", "Time from the start until a point was reached, as curl -w prints time_<point>; 0 where it was not.", p.at.Seconds(), agent.Label{Name: "point", Value: p.name})
	}
	gauge("probe_http_status_code", "Response HTTP status code", float64(r.Status))
	gauge("probe_http_content_length", "Length of http content response", float64(r.ContentLength))
	gauge("probe_http_uncompressed_body_length", "Length of uncompressed response body", float64(r.BodyLength))
	gauge("probe_http_redirects", "The number of redirects", float64(r.Redirects))
	gauge("probe_http_version", "Returns the version of HTTP of the probe response", r.Version)
	gauge("probe_http_ssl", "Indicates if SSL was used for the final redirect", number(r.TLS))
	if !r.CertExpiry.IsZero() {
		gauge("probe_ssl_earliest_cert_expiry", "Returns last SSL chain expiry in unixtime", float64(r.CertExpiry.Unix()))
	}
	gauge("probe_failed_due_to_regex", "Indicates if probe failed due to regex", number(r.failed("body")))
	if !r.Answered {
		return // there was nothing to judge
	}
	for _, kind := range kinds {
		gauge("logkeel_http_assertion_failed", "Whether the answer was not as expected, by what was looked at.", number(r.failed(kind)), agent.Label{Name: "kind", Value: kind})
	}
}
