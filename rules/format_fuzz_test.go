package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/rules/fields"
)

// fieldConditions are conditions with texts that are looked for first, and
// without.
func fieldConditions() []string {
	return []string{
		"path == '/wp-login.php'", "path =~ 'wp-login|[.]env$'", "query =~ 'union select'", "agent =~ '(?i)sqlmap'", "status >= 500", "status == 401 and method == 'POST'",
		"method == 'POST' or status < 300", "code == 'E_QUOTA'", "a.b == 'deadlock'", "msg =~ 'dead|quota.*kiss'", "not code == 'E_QUOTA'", "stream == 'stderr' and a.b =~ 'deadlock'",
		"code != 'x' or n > 5", "msg == 'a b/c deadlock'", "client == '10.0.0.7' and request_time > 1",
	}
}

// written makes a text out of words, with characters written in the ways that
// formats have.
func (m *maker) written(styles int) string {
	words := []string{"wp-login", "/wp-login.php", ".env", "union", " select", "SQLmap", "E_QUOTA", "deadlock", "kiss", "quota", "a b/c ", "x", "%", "\\", "\"", "é", "7"}
	var b strings.Builder
	for range 1 + m.pick(4) {
		for _, r := range words[m.pick(len(words))] {
			style := 0
			if m.pick(8) == 7 {
				style = 1 + m.pick(styles)
			}
			switch style {
			case 1:
				fmt.Fprintf(&b, `\u%04x`, r)
			case 2:
				for _, c := range []byte(string(r)) {
					fmt.Fprintf(&b, `\x%02X`, c)
				}
			case 3:
				for _, c := range []byte(string(r)) {
					fmt.Fprintf(&b, `%%%02x`, c)
				}
			case 4:
				b.WriteString("%25%32%35")
			default:
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

func (m *maker) record() string {
	switch m.pick(6) {
	case 5:
		return fmt.Sprintf(`{"client":"10.0.0.%d","method":"%s","path":"%s","query":"%s","%s": %d,"agent":"%s","request_time":%d}`, m.pick(9), []string{"GET", "POST", "P\\u004fST"}[m.pick(3)],
			m.written(1), m.written(3), []string{"status", "response_code", "st\\u0061tus"}[m.pick(3)], 100+m.pick(6)*100+m.pick(2), m.written(1), m.pick(3))
	case 0:
		return fmt.Sprintf(`10.0.0.%d - %s [x] "%s %s?%s HTTP/1.1" %d 5 "%s" "%s" rt=%d`, m.pick(9), m.written(1), []string{"GET", "POST", "\\x16"}[m.pick(3)],
			m.written(4), m.written(4), 100+m.pick(6)*100+m.pick(2), m.written(2), m.written(2), m.pick(3))
	case 1:
		return fmt.Sprintf(`{"code":"%s","a":{"b":"%s"},"msg":"%s","n":%d}`, m.written(1), m.written(1), m.written(1), m.pick(9))
	case 2:
		return fmt.Sprintf(`app.ERROR: %s {"code":"%s","a.b":"%s","msg":"%s"} []`, m.written(1), m.written(1), m.written(1), m.written(1))
	case 3:
		return fmt.Sprintf(`code=%s a.b="%s" msg="%s" n=%d`, m.written(1), m.written(2), m.written(2), m.pick(9))
	}
	return m.line()
}

// FuzzFormats compares findings with what each record says when it is read for
// each rule by itself, whatever is looked for first.
func FuzzFormats(f *testing.F) {
	f.Add([]byte{0, 0, 1, 1, 2, 2}, []byte{0, 7, 1, 1, 2, 3, 4, 5, 6, 0, 1})
	f.Add([]byte{7, 1, 8, 1, 9, 1, 10, 2, 11, 2}, []byte("\x01\x05\x06\x07\x07\x00\x07\x01\x07\x02\x03\x04"))
	f.Fuzz(func(t *testing.T, conditions, records []byte) {
		if len(conditions) > 50 || len(records) > 1000 {
			return
		}
		var list []loaded
		for m := (&maker{conditions}); len(m.data) > 0; {
			r := loaded{rule: &agent.Rule{Name: "r"}, format: fields.Format(1 + m.pick(fields.Count-1))}
			w, err := parseWhere(fieldConditions()[m.pick(len(fieldConditions()))], anyGroup)
			if err != nil {
				t.Fatal(err.msg)
			}
			r.where = w
			(&problems{}).unmatched(&r)
			list = append(list, r)
		}
		var bodies []string
		for m := (&maker{records}); len(m.data) > 0; {
			bodies = append(bodies, m.record())
		}
		b := batchOf(bodies...)
		for i := range b.Records {
			b.Records[i].Stream = agent.Stream(i % 3)
		}
		newSet(list).Match(b)
		compare(t, list, b)
	})
}
