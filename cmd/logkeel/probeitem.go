package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/printable"
	"github.com/webgrip/logkeel/agent/tlsconf"
	"github.com/webgrip/logkeel/collectors"
)

// isURL tells a URL from an item's name. As with curl, it need not say http://.
func isURL(what string) bool { return strings.ContainsAny(what, ":/") || what == "localhost" }

// configured is the item of that name.
func configured(config, name string) (*collectors.HTTP, error) {
	l, err := read(config)
	if l == nil || !l.parsed { // the rest of the configuration may be wrong
		return nil, err
	}
	var names []string
	for i := range l.Collectors.HTTP {
		item := &l.Collectors.HTTP[i]
		if item.Name == name {
			return item, wrongWith(err, fmt.Sprintf("collectors.http[%d]", i))
		}
		names = append(names, printable.Line(item.Name))
	}
	if len(names) == 0 {
		return nil, usageError{fmt.Errorf("%q is no URL, which begins with http:// or https://, and %s has no items in collectors.http", name, l.doc.File)}
	}
	return nil, usageError{fmt.Errorf("%q is neither a URL, which begins with http:// or https://, nor an item of collectors.http in %s; these are there: %s", name, l.doc.File, strings.Join(names, ", "))}
}

// wrongWith is what of err is about the section at path, nil where nothing is.
func wrongWith(err error, path string) error {
	var all, own conf.Errors
	errors.As(err, &all)
	for _, e := range all {
		if rest, ok := strings.CutPrefix(e.Field, path); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			own = append(own, e)
		}
	}
	if len(own) == 0 {
		return nil
	}
	return usageError{own}
}

// maxFormat bounds what is read of a file, in bytes.
const maxFormat = 64 << 10

// readFormat is the format to print, "" where none was given. As with curl, the
// line ends of a file do not count.
func (o *probeOptions) readFormat() (string, error) {
	name, ok := strings.CutPrefix(o.format, "@")
	if !ok {
		return o.format, nil
	}
	b, err := o.readNamed(name)
	if err != nil {
		return "", fmt.Errorf("--write-out: %w", err)
	}
	return strings.NewReplacer("\r", "", "\n", "").Replace(string(b)), nil
}

func (o *probeOptions) readNamed(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(o.in, maxFormat))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFormat))
}

// item is what the flags come to.
func (o *probeOptions) item(url string) (*collectors.HTTP, time.Duration, error) {
	var item collectors.HTTP
	item.SetDefaults()
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	item.URL, item.Unix, item.Proxy = url, o.unix, o.proxy
	item.FollowRedirects = o.location
	item.Expect.Status = conf.Strings{"1xx", "2xx", "3xx"}
	if !o.fail {
		item.Expect.Status = append(item.Expect.Status, "4xx", "5xx")
	}
	switch {
	case o.method != "":
		item.Method = o.method
	case o.head:
		item.Method = "HEAD"
	}
	switch {
	case o.ipv4:
		item.IP = "4"
	case o.ipv6:
		item.IP = "6"
	}
	switch {
	case o.http1:
		item.HTTPVersion = "1.1"
	case o.prior:
		item.HTTPVersion = "2"
	}
	if o.insecure || o.caCert != "" || o.cert != "" || o.key != "" {
		item.TLS = &tlsconf.Config{CAFile: o.caCert, CertFile: o.cert, KeyFile: o.key, InsecureSkipVerify: o.insecure}
	}
	limit, err := seconds(o.maxTime)
	if err != nil {
		return nil, 0, err
	}
	if item.Headers, err = o.readHeaders(); err != nil {
		return nil, 0, err
	}
	return &item, limit, item.Check(new(conf.Doc), "probe")
}

// seconds reads them as curl does, and durations as they are written elsewhere.
func seconds(text string) (time.Duration, error) {
	const most = 24 * time.Hour
	f, err := strconv.ParseFloat(text, 64)
	d := time.Duration(min(max(f, 0), most.Seconds()+1) * float64(time.Second))
	if err != nil {
		d, err = conf.ParseDuration(text)
	}
	if err != nil || f < 0 || f != f || d > most {
		return 0, fmt.Errorf("--max-time: %q is no time; write seconds, as 2.5, up to a day", text)
	}
	return d, nil
}

func (o *probeOptions) readHeaders() (map[string]conf.Secret, error) {
	all := map[string]conf.Secret{}
	for _, h := range o.headers {
		lines := []string{h}
		if name, ok := strings.CutPrefix(h, "@"); ok {
			b, err := o.readNamed(name)
			if err != nil {
				return nil, fmt.Errorf("--header: %w", err)
			}
			lines = strings.Split(strings.TrimSpace(strings.ReplaceAll(string(b), "\r", "")), "\n")
		}
		for i, line := range lines {
			name, value, ok := strings.Cut(line, ":")
			if value = strings.TrimSpace(value); !ok || value == "" {
				return nil, fmt.Errorf("--header: the one numbered %d in it is none; write 'Name: value'", i+1) // without its text, which may be a secret
			}
			all[strings.TrimSpace(name)] = conf.NewSecret(value)
		}
	}
	return all, nil
}
