package probe

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// CurlFormat is the curl-format.txt that people have, for curl -w @FILE.
const CurlFormat = `     time_namelookup:  %{time_namelookup}\n` +
	`        time_connect:  %{time_connect}\n` +
	`     time_appconnect:  %{time_appconnect}\n` +
	`    time_pretransfer:  %{time_pretransfer}\n` +
	`       time_redirect:  %{time_redirect}\n` +
	`  time_starttransfer:  %{time_starttransfer}\n` +
	`                     ----------\n` +
	`          time_total:  %{time_total}\n`

// A WriteOut is what a format for curl -w is filled in with.
type WriteOut struct {
	*Result
	Err    error // of the probe
	URL    string
	Stdout io.Writer
	Stderr io.Writer // for %{stderr}, and what is wrong with the format
}

// Write writes the format as curl does: %{name}, %header{name}, %%, \n, \r and
// \t are replaced, and what is neither stands as it is. That a variable is not
// known is said at Stderr.
func (o *WriteOut) Write(format string) error {
	w := &sticky{to: o.Stdout}
	for format != "" {
		var text string
		if text, format = o.next(w, format); text != "" {
			w.WriteString(text)
		}
		if w.done {
			break
		}
	}
	return w.err
}

// sticky is a writer that keeps its first error.
type sticky struct {
	to   io.Writer
	err  error
	done bool // the rest is not to be written
}

func (s *sticky) WriteString(text string) {
	if s.err == nil {
		_, s.err = io.WriteString(s.to, text)
	}
}

// next takes one piece off the format and returns what it comes to.
func (o *WriteOut) next(w *sticky, format string) (text, rest string) {
	switch i := strings.IndexAny(format, `%\`); {
	case i < 0:
		return format, ""
	case i > 0:
		return format[:i], format[i:]
	case len(format) == 1:
		return format, ""
	}
	if format[0] == '\\' {
		if i := strings.IndexByte("nrt", format[1]); i >= 0 {
			return "\n\r\t"[i : i+1], format[2:]
		}
		return format[:2], format[2:]
	}
	for _, open := range []string{"%{", "%header{"} {
		inside, ok := strings.CutPrefix(format, open)
		if !ok {
			continue
		}
		name, rest, closed := strings.Cut(inside, "}")
		if !closed {
			return open, inside
		}
		if open == "%header{" {
			return o.header(name), rest
		}
		return o.variable(w, name), rest
	}
	if format[1] == '%' {
		return "%", format[2:]
	}
	return format[:2], format[2:]
}

// header is the first value of a field of the answer.
func (o *WriteOut) header(name string) string {
	return strings.TrimSpace(o.Header.Get(name))
}

func (o *WriteOut) variable(w *sticky, name string) string {
	switch strings.ToLower(name) {
	case "stdout":
		w.to = o.Stdout
		return ""
	case "stderr":
		w.to = o.Stderr
		return ""
	case "onerror":
		w.done = curlCode(o.Result, o.Err) == 0
		return ""
	case "json":
		return o.json()
	case "header_json":
		return o.headerJSON()
	}
	v, ok := o.variables()[strings.ToLower(name)]
	if !ok {
		fmt.Fprintf(o.Stderr, "unknown --write-out variable: '%s'\n", clean(shorten(name, 100)))
		return ""
	}
	switch v := v.(type) {
	case nil:
		return ""
	case status:
		return fmt.Sprintf("%03d", int(v))
	case seconds:
		return v.String()
	}
	return fmt.Sprint(v)
}

type (
	seconds time.Duration
	status  int
)

// String is curl's: microseconds, of which nothing is rounded.
func (s seconds) String() string {
	us := time.Duration(s).Microseconds()
	return fmt.Sprintf("%d.%06d", us/1e6, us%1e6)
}

func (s seconds) MarshalJSON() ([]byte, error) { return []byte(s.String()), nil }

// variables are those of curl that a probe knows of: text, nil where there is
// none, or numbers.
func (o *WriteOut) variables() map[string]any {
	r := o.Result
	v := map[string]any{
		"content_type": orNil(r.Header.Get("Content-Type")), "errormsg": nil, "exitcode": curlCode(r, o.Err),
		"http_code": status(r.Status), "response_code": status(r.Status), "http_connect": status(r.ProxyStatus), "http_version": fmt.Sprint(r.Version),
		"local_ip": ip(r.Local), "local_port": r.Local.Port(), "remote_ip": ip(r.Remote), "remote_port": r.Remote.Port(),
		"method": r.Method, "num_connects": r.Made, "num_redirects": r.Redirects, "num_headers": numHeaders(r.Header),
		"redirect_url": orNil(r.RedirectTo), "referer": nil, "scheme": nil,
		"size_download": r.BodyLength, "size_upload": 0, "speed_download": 0, "speed_upload": 0,
		"ssl_verify_result": r.Verify, "proxy_ssl_verify_result": 0, "url": o.URL, "url_effective": cmp.Or(r.URL, o.URL), "urlnum": 0,
		"time_namelookup": seconds(r.Times.NameLookup), "time_connect": seconds(r.Times.Connect), "time_appconnect": seconds(r.Times.AppConnect),
		"time_pretransfer": seconds(r.Times.Pretransfer), "time_redirect": seconds(r.Times.Redirect),
		"time_starttransfer": seconds(r.Times.StartTransfer), "time_total": seconds(r.Times.Total),
	}
	if o.Err != nil {
		v["errormsg"] = o.Err.Error()
	}
	if u, err := url.Parse(r.URL); err == nil && r.Made > 0 {
		v["scheme"] = strings.ToUpper(u.Scheme)
	}
	if t := r.Times.Total.Seconds(); t > 0 {
		v["speed_download"] = int64(float64(r.BodyLength) / t)
	}
	return v
}

func (o *WriteOut) json() string {
	b, err := json.Marshal(o.variables())
	if err != nil {
		return "" // texts and numbers
	}
	return string(b)
}

func (o *WriteOut) headerJSON() string {
	all := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(o.Header)) {
		all[strings.ToLower(name)] = o.Header[name]
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return ""
	}
	return string(b)
}

func ip(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.Addr().WithZone("").String()
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func numHeaders(h map[string][]string) (n int) {
	for _, values := range h {
		n += len(values)
	}
	return n
}
