package probe

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"hash/fnv"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

type gauges func(name, help string, value float64, labels ...agent.Label)

// samples are the metrics of blackbox_exporter, and those that are our own.
func (r *Result) samples(success bool, yield func(agent.Sample)) {
	var gauge gauges = func(name, help string, value float64, labels ...agent.Label) {
		yield(agent.Sample{Name: name, Help: help, Value: value, Labels: labels})
	}
	gauge("probe_success", "Displays whether or not the probe was a success", number(success))
	r.timing(gauge)
	gauge("probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", ipProtocol(r.Tried))
	gauge("probe_ip_addr_hash", "Specifies the hash of IP address. It's useful to detect if the IP address changes.", ipHash(r.Tried))
	gauge("probe_http_status_code", "Response HTTP status code", float64(r.Status))
	gauge("probe_http_content_length", "Length of http content response", float64(r.ContentLength))
	gauge("probe_http_uncompressed_body_length", "Length of uncompressed response body", float64(r.BodyLength))
	gauge("probe_http_redirects", "The number of redirects", float64(r.Redirects))
	gauge("probe_http_version", "Returns the version of HTTP of the probe response", r.Version)
	gauge("probe_http_ssl", "Indicates if SSL was used for the final redirect", number(r.TLS))
	if t, err := http.ParseTime(r.Header.Get("Last-Modified")); err == nil {
		gauge("probe_http_last_modified_timestamp_seconds", "Returns the Last-Modified HTTP response header in unixtime", float64(t.Unix()))
	}
	r.certificates(gauge)
	gauge("probe_failed_due_to_regex", "Indicates if probe failed due to regex", number(r.failed("body") || r.failed("header")))
	if !r.Answered {
		return // there was nothing to judge
	}
	for _, kind := range kinds {
		gauge("logkeel_http_assertion_failed", "Whether the answer was not as expected, by what was looked at.", number(r.failed(kind)), agent.Label{Name: "kind", Value: kind})
	}
	for _, v := range r.Values {
		gauge("logkeel_http_json_value", "A number of the answer's JSON; true is 1, false is 0.", v.Value, agent.Label{Name: "path", Value: v.Path})
	}
	if len(r.Values) > 0 {
		gauge("logkeel_http_json_values_omitted", "Numbers of the answer's JSON that there was no room for.", float64(r.Omitted))
	}
}

// A named duration is a phase, or a point in time.
type named struct {
	name string
	took time.Duration
}

func (p *Phases) all() [5]named {
	return [...]named{{"resolve", p.Resolve}, {"connect", p.Connect}, {"tls", p.TLS}, {"processing", p.Processing}, {"transfer", p.Transfer}}
}

func (t *Times) all() [7]named {
	return [...]named{
		{"namelookup", t.NameLookup},
		{"connect", t.Connect},
		{"appconnect", t.AppConnect},
		{"pretransfer", t.Pretransfer},
		{"redirect", t.Redirect},
		{"starttransfer", t.StartTransfer},
		{"total", t.Total},
	}
}

func (r *Result) timing(gauge gauges) {
	gauge("probe_duration_seconds", "Returns how long the probe took to complete in seconds", r.Times.Total.Seconds())
	gauge("probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", r.Phases.Resolve.Seconds())
	for _, p := range r.Phases.all() {
		gauge("probe_http_duration_seconds", "Duration of http request by phase, summed over all redirects", p.took.Seconds(), agent.Label{Name: "phase", Value: p.name})
	}
	for _, p := range r.Times.all() {
		gauge("logkeel_http_time_seconds", "Time from the start until a point was reached, as curl -w prints time_<point>; 0 where it was not.", p.took.Seconds(), agent.Label{Name: "point", Value: p.name})
	}
}

func (c *Certificates) certificates(gauge gauges) {
	if !c.CertExpiry.IsZero() {
		gauge("probe_ssl_earliest_cert_expiry", "Returns last SSL chain expiry in unixtime", float64(c.CertExpiry.Unix()))
		gauge("logkeel_http_certificate_remaining_seconds", "Time until the first of the server's certificates expires; negative afterwards.", time.Until(c.CertExpiry).Seconds())
	}
	if !c.ChainExpiry.IsZero() {
		gauge("probe_ssl_last_chain_expiry_timestamp_seconds", "Returns last SSL chain expiry in timestamp", float64(c.ChainExpiry.Unix()))
	}
	if leaf := c.Leaf; leaf != nil {
		sum := sha256.Sum256(leaf.Raw)
		gauge("probe_ssl_last_chain_info", "Contains SSL leaf certificate information", 1,
			agent.Label{Name: "fingerprint_sha256", Value: hex.EncodeToString(sum[:])},
			agent.Label{Name: "subject", Value: labelText(leaf.Subject.String())},
			agent.Label{Name: "issuer", Value: labelText(leaf.Issuer.String())},
			agent.Label{Name: "subjectalternative", Value: labelText(strings.Join(leaf.DNSNames, ","))},
			agent.Label{Name: "serialnumber", Value: labelText(hex.EncodeToString(leaf.SerialNumber.Bytes()))},
		)
	}
	if c.TLSVersion != 0 {
		gauge("probe_tls_version_info", "Returns the TLS version used or NaN when unknown", 1, agent.Label{Name: "version", Value: tls.VersionName(c.TLSVersion)})
		gauge("probe_tls_cipher_info", "Returns the TLS cipher negotiated during handshake", 1, agent.Label{Name: "cipher", Value: tls.CipherSuiteName(c.Cipher)})
	}
}

// labelText bounds what a server can make of a label.
func labelText(s string) string { return clean(shorten(s, 500)) }

// ipProtocol is 0 where no address is known.
func ipProtocol(a netip.Addr) float64 {
	switch {
	case !a.IsValid():
		return 0
	case a.Is4():
		return 4
	}
	return 6
}

// ipHash is that of blackbox_exporter.
func ipHash(a netip.Addr) float64 {
	if !a.IsValid() {
		return 0
	}
	h := fnv.New32a()
	h.Write(a.AsSlice())
	return float64(h.Sum32())
}
