package probe

import "github.com/webgrip/logkeel/agent"

var _ agent.Recorder = (*Sampler)(nil)

// Records yields one record of the last probe. Its names are those of curl -w,
// and phase_* of blackbox_exporter; all times are in seconds.
func (s *Sampler) Records(yield func([]agent.Field)) {
	r := s.last
	if r == nil {
		return
	}
	fields := []agent.Field{
		{Name: "url", Value: location(s.url)},
		{Name: "method", Value: s.method},
		{Name: "success", Value: s.failure == ""},
		{Name: "http_code", Value: int64(r.Status)},
		{Name: "http_version", Value: r.HTTPVersion()},
		{Name: "num_redirects", Value: int64(r.Redirects)},
		{Name: "size_download", Value: r.BodyLength},
		{Name: "remote_ip", Value: ip(r.Remote)},
	}
	add := func(name string, value any) { fields = append(fields, agent.Field{Name: name, Value: value}) }
	for _, t := range r.Times.all() {
		add("time_"+t.name, t.took.Seconds())
	}
	for _, p := range r.Phases.all() {
		add("phase_"+p.name, p.took.Seconds())
	}
	if !r.CertExpiry.IsZero() {
		add("certificate_expires", r.CertExpiry.UTC().Format("2006-01-02T15:04:05Z"))
	}
	for _, v := range r.Values {
		add("json."+v.Path, v.Value)
	}
	if s.failure != "" {
		add("error", s.failure)
	}
	yield(fields)
}
