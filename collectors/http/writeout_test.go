package probe

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// Times are cut to microseconds, as curl does.
func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.000000", 999: "0.000000", 1999: "0.000001", 1234567 * time.Microsecond: "1.234567", 75*time.Second + time.Millisecond: "75.001000",
	} {
		if got := seconds(d).String(); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

// What is written is at most what each variable comes to, whatever the format; text
// without signs stands as it is.
func FuzzWriteOut(f *testing.F) {
	for _, s := range []string{CurlFormat, `%{json}%{header_json}`, `%header{x}%header{`, `%{stderr}a%{stdout}b%{onerror}c`, `%%\q\n%x%{%{%`, `\`, "%\xff{"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, format string) {
		var out, stderr bytes.Buffer
		w := WriteOut{Result: &Result{Method: "GET"}, Err: errors.New("down"), URL: "http://h/", Stdout: &out, Stderr: &stderr}
		if err := w.Write(format); err != nil {
			t.Fatal(err)
		}
		if n := out.Len() + stderr.Len(); n > len(format)*1000 {
			t.Errorf("%d bytes of %d", n, len(format))
		}
		if !strings.ContainsAny(format, `%\`) && out.String() != format {
			t.Errorf("%q became %q", format, out.String())
		}
	})
}
