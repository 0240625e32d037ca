package forward

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tinylib/msgp/msgp"
)

func receiver(r io.Reader, limit int) *Receiver {
	return NewReceiver(r, limit, func() error { return nil })
}

func zip(parts ...string) string {
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		io.WriteString(w, p)
		w.Close()
	}
	return b.String()
}

func bin(s string) string { return string(msgp.AppendBytes(nil, []byte(s))) }

const plainEntry = "\x92\x07\x81\xa1a\xa1b"

// TestReceiver: messages are read as they are however they arrive, and what is
// none is an error that says why.
func TestReceiver(t *testing.T) {
	long := "\x92\x07\x81\xa1a" + string(msgp.AppendString(nil, strings.Repeat("x", 600_000)))
	deep := "\x92\x07\x81\xa1a" + strings.Repeat("\x91", 100) + "\xc0"
	for _, tt := range []struct{ name, in, want, err string }{
		{"message", "\x93\xa1t\x07\x81\xa1a\xa1b", "t:1", ""},
		{"with options", "\x94\xa1t\x07\x81\xa1a\xa1b\x82\xa4size\x01\xa5chunk\xa2id", "t:1:id", ""},
		{"two", "\x93\xa1t\x07\x81\xa1a\xa1b\x93\xa1u\x07\x81\xa1a\xa1b", "t:1 u:1", ""},
		{"without a tag", "\x93\xa0\x07\x81\xa1a\xa1b", ":1", ""},
		{"forward", "\x92\xa1t\x92" + plainEntry + plainEntry, "t:2", ""},
		{"forward, array of 16 bits", "\x92\xa1t\xdc\x00\x02" + plainEntry + plainEntry, "t:2", ""},
		{"packed", "\x92\xa1t" + bin(plainEntry+plainEntry), "t:2", ""},
		{"packed nothing", "\x93\xa1t\xc4\x00\x81\xa5chunk\xa2id", "t:0:id", ""},
		{"chunk as bin", "\x93\xa1t\xc4\x00\x81\xa5chunk\xc4\x02id", "t:0:id", ""},
		{"large", "\x93\xa1t" + bin(long) + "\x80", "t:1", ""},
		{"gzip", "\x93\xa1t" + bin(zip(plainEntry, plainEntry)) + "\x81\xaacompressed\xa4gzip", "t:2", ""},
		{"not compressed, and says so", "\x93\xa1t" + bin(plainEntry) + "\x81\xaacompressed\xa4text", "t:1", ""},
		{"heartbeats", "\xc0\xc0\x93\xa1t\x07\x81\xa1a\xa1b\xc0", "t:1", ""},
		{"nothing", "", "", ""},

		{"torn", "\x93\xa1t\x07\x81\xa1a\xa5b", "", "unexpected EOF"},
		{"HTTP", "GET / HTTP/1.1\r\n", "", "no message of the Forward protocol: it does not begin with an array"},
		{"TLS", "\x16\x03\x01\x02\x00", "", "no message of the Forward protocol: it does not begin with an array"},
		{"array of one", "\x91\xa1t", "", "no message of the Forward protocol: an array of 1"},
		{"array of many", "\xdd\xff\xff\xff\xff", "", "no message of the Forward protocol: an array of 4294967295"},
		{"a number as tag", "\x93\x01\x07\x80", "", "no message of the Forward protocol: the tag is no string"},
		{"a huge tag", "\x93\xdb\xff\xff\xff\xff", "", "no message of the Forward protocol: the tag is too long or no string"},
		{"no record", "\x92\xa1t\x07", "", "no message of the Forward protocol: there is no record"},
		{"a byte that is nothing", "\x93\xa1t\xc1\x80", "", "no message of the Forward protocol: it has a byte that MessagePack does not know"},
		{"a huge packed one", "\x93\xa1t\xc6\xff\xff\xff\xff", "", "message is too large: more than 1048576 bytes"},
		{"a huge record", "\x93\xa1t\x07\xdf\xff\xff\xff\xff" + strings.Repeat("\x00", 2<<20), "", "message is too large: more than 1048576 bytes"},
		{"a bomb", "\x93\xa1t" + bin(zip(strings.Repeat("\x00", 2<<20))) + "\x81\xaacompressed\xa4gzip", "", "message is too large: more than 1048576 bytes when uncompressed"},
		{"a bomb in parts", "\x93\xa1t" + bin(zip(strings.Repeat("\x00", 1<<20), "\x00")) + "\x81\xaacompressed\xa4gzip", "", "message is too large: more than 1048576 bytes when uncompressed"},
		{"no gzip", "\x93\xa1t" + bin("gzip it is not") + "\x81\xaacompressed\xa4gzip", "", "no message of the Forward protocol: gzip: gzip: invalid header"},
		{"zstd", "\x93\xa1t" + bin(plainEntry) + "\x81\xaacompressed\xa4zstd", "", `no message of the Forward protocol: it is compressed by "zstd", and only gzip is known`},
		{"option of another kind", "\x93\xa1t" + bin(plainEntry) + "\x07", "", "no message of the Forward protocol: the option is no map"},
		{"chunk of another kind", "\x93\xa1t" + bin(plainEntry) + "\x81\xa5chunk\x07", "", "no message of the Forward protocol: the chunk's id is no string, or a very long one"},
		{"deep", "\x92\xa1t" + bin(deep), "", "it is nested too deeply"},
		{"entry is no array", "\x92\xa1t" + bin("\x07"), "", "an entry is no array of a time and a record"},
		{"a time that is none", "\x92\xa1t" + bin("\x92\xa1x\x80"), "", "an entry's time is no time"},
		{"pairs within pairs", "\x92\xa1t" + bin(strings.Repeat("\x92", 1000)), "", "it ends too early"},
		{"a record that is none", "\x92\xa1t" + bin("\x92\x07\x07"), "", "a record is no map"},
		{"a torn entry", "\x92\xa1t" + bin(plainEntry[:5]), "", "it ends too early"},
	} {
		for how, r := range map[string]io.Reader{"at once": strings.NewReader(tt.in), "bytes": iotest.OneByteReader(strings.NewReader(tt.in))} {
			got, err := readAll(receiver(r, 1<<20))
			if err == io.EOF {
				err = nil
			}
			if text := errText(err); text != tt.err || tt.err == "" && got != tt.want {
				t.Errorf("%s, %s: %q, %s; want %q, %s", tt.name, how, got, text, tt.want, tt.err)
			}
		}
	}
}

// readAll gives tag, entries and chunk of all messages.
func readAll(r *Receiver) (string, error) {
	var all []string
	for {
		m, err := r.Next()
		if err != nil {
			return strings.Join(all, " "), err
		}
		n := 0
		for b := m.Entries; len(b) > 0; n++ {
			if _, b, err = NextEntry(b); err != nil {
				return "", err
			}
		}
		s := fmt.Sprintf("%s:%d", m.Tag, n)
		if len(m.Chunk) > 0 {
			s += ":" + string(m.Chunk)
		}
		all = append(all, s)
		r.Shrink()
	}
}

// TestReceiverMemory: a large message is asked for before it is read, and its
// memory is given back.
func TestReceiverMemory(t *testing.T) {
	asked := 0
	large := "\x92\xa1t" + bin("\x92\x07\x81\xa1a"+string(msgp.AppendString(nil, strings.Repeat("x", 1<<20))))
	r := NewReceiver(strings.NewReader(large+"\x93\xa1t\x07\x80"+large), 2<<20, func() error {
		if asked++; asked > 1 {
			return errors.New("no")
		}
		return nil
	})
	if _, err := r.Next(); err != nil || !r.Shrink() || len(r.buf) > KeptBuffer {
		t.Fatalf("%v, %d bytes are kept", err, len(r.buf))
	}
	if _, err := r.Next(); err != nil || r.Shrink() {
		t.Fatal(err)
	}
	if _, err := r.Next(); errText(err) != "no" {
		t.Errorf("it was not asked for: %v", err)
	}
	// What is small also when uncompressed needs nobody's leave.
	packed := func(n int) string {
		return "\x93\xa1t" + bin(zip(strings.Repeat("\xc0", n))) + "\x81\xaacompressed\xa4gzip"
	}
	r = NewReceiver(strings.NewReader(packed(smallUnpacked-1)+packed(smallUnpacked)), 2<<20, func() error { return errors.New("no") })
	if m, err := r.Next(); err != nil || len(m.Entries) != smallUnpacked-1 {
		t.Errorf("%d bytes, %v", len(m.Entries), err)
	}
	if _, err := r.Next(); errText(err) != "no" {
		t.Errorf("it was not asked for: %v", err)
	}
	// What is only claimed takes no memory.
	r = receiver(strings.NewReader("\x93\xa1t\xc6\x03\xff\xff\x00"), 64<<20)
	if _, err := r.Next(); err != io.ErrUnexpectedEOF || len(r.buf) > smallBuffer {
		t.Errorf("%v, %d bytes", err, len(r.buf))
	}
}

// admit has the client shake hands with the server.
func admit(t *testing.T, g Gate, c Credentials) (server, client error) {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	go func() {
		defer ours.Close()
		done <- g.Admit(ours, receiver(ours, 1<<20))
	}()
	client = Handshake(theirs, NewReader(theirs), c)
	theirs.Close()
	return <-done, client
}

func TestAdmit(t *testing.T) {
	users := map[string]string{"anna": "secret", "bert": "other"}
	right := Credentials{Hostname: "client", SharedKey: "key", Username: "anna", Password: "secret"}
	for _, tt := range []struct {
		name  string
		users map[string]string
		c     Credentials
		err   string
	}{
		{"key", nil, Credentials{Hostname: "client", SharedKey: "key"}, ""},
		{"user", users, right, ""},
		{"wrong key", nil, Credentials{Hostname: "client", SharedKey: "kex"}, "handshake: the client does not know the shared_key"},
		{"no key", nil, Credentials{Hostname: "client"}, "handshake: the client does not know the shared_key"},
		{"wrong key, right user", users, Credentials{Hostname: "client", SharedKey: "x", Username: "anna", Password: "secret"}, "handshake: the client does not know the shared_key"},
		{"wrong password", users, Credentials{Hostname: "client", SharedKey: "key", Username: "anna", Password: "other"}, "handshake: the client's username or password is wrong"},
		{"wrong user", users, Credentials{Hostname: "client", SharedKey: "key", Username: "carl", Password: "secret"}, "handshake: the client's username or password is wrong"},
		{"no user", users, Credentials{Hostname: "client", SharedKey: "key"}, "handshake: the client's username or password is wrong"},
	} {
		server, client := admit(t, Gate{"server", "key", tt.users}, tt.c)
		if errText(server) != tt.err || errors.Is(client, ErrRefused) != (tt.err != "") || tt.err == "" && client != nil {
			t.Errorf("%s: the server says %v, the client %v", tt.name, server, client)
		}
	}
}

// What is no PING is an error, and the server is silent.
func TestNoPing(t *testing.T) {
	for in, want := range map[string]string{
		"":                                 "handshake: read PING: EOF",
		"GET / HTTP":                       "handshake: read PING: no message of the Forward protocol: it does not begin with an array",
		"\x93\xa1t":                        "handshake: read PING: no message of the Forward protocol: an array of 3",
		"\x96\xa4PIN":                      "handshake: read PING: unexpected EOF",
		"\x96\xa4PONG\xa0\xa0\xa0\xa0\xa0": `handshake: read PING: no message of the Forward protocol: "PONG" in place of PING`,
		"\x96\xdb\xff\xff\xff\xff":         "handshake: read PING: no message of the Forward protocol: a part of it is too long or no string",

		"\x97\xa4PING\xa0\xa0\xa0\xa0\xa0\xc6\x00\x0f\x00\x00": "handshake: read PING: message is too large: more than 32768 bytes",
	} {
		var out bytes.Buffer
		g := Gate{"server", "key", nil}
		err := g.Admit(&out, receiver(strings.NewReader(in), 1<<20))
		if errText(err) != want || bytes.Contains(out.Bytes(), []byte("PONG")) {
			t.Errorf("%q: %v; want %s", in, err, want)
		}
	}
}

// FuzzReceiver: whatever a client sends is read within bounds, and what is taken
// for a record is whole.
func FuzzReceiver(f *testing.F) {
	for _, s := range []string{
		"\x93\xa1t\x07\x81\xa1a\xa1b", "\x92\xa1t\x92" + plainEntry + plainEntry, "\x93\xa1t" + bin(zip(plainEntry)) + "\x81\xaacompressed\xa4gzip",
		"\x94\xa1t\xd7\x00abcdefgh\x81\xa1a\xa1b\x81\xa5chunk\xa2id", "\x93\xa1t\xdd\xff\xff\xff\xff", "\xc0\xc0\x93", "\x92\xa1t" + bin("\x92\x92\xcb\x40\x00\x00\x00\x00\x00\x00\x00\x80\x80"),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 64 << 10
		r := receiver(bytes.NewReader(b), limit)
		for {
			m, err := r.Next()
			if err != nil {
				break
			}
			if m.Size > limit || len(m.Entries) > limit || len(m.Chunk) > maxChunk || len(m.Tag) > maxTag {
				t.Fatalf("a message of %d bytes", m.Size)
			}
			for b := m.Entries; len(b) > 0; {
				var e Entry
				if e, b, err = NextEntry(b); err != nil {
					break
				}
				if rest, err := msgp.Skip(e.Record); err != nil || len(rest) > 0 {
					t.Fatalf("a record that is not whole: %q, %v", e.Record, err)
				}
				n := uint32(0)
				Members(e.Record, func(_, member, value []byte) bool {
					if !bytes.HasSuffix(member, value) {
						t.Fatalf("%q is not in %q", value, member)
					}
					n++
					return true
				})
				if want, _, _ := msgp.ReadMapHeaderBytes(e.Record); n != want {
					t.Fatalf("%d members of %d", n, want)
				}
			}
		}
		if len(r.buf) > 2*limit {
			t.Fatalf("a buffer of %d bytes", len(r.buf))
		}
	})
}

// FuzzAdmit: no answer of a client that has not the key is believed.
func FuzzAdmit(f *testing.F) {
	f.Add([]byte("\x96\xa4PING\xa1h\xa1s\xa1d\xa0\xa0"))
	f.Add([]byte("\x9f\xa4PING\xdb\x00\x00\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		g := Gate{"server", "key", map[string]string{"a": "b"}}
		if g.Admit(io.Discard, receiver(bytes.NewReader(b), 64<<10)) == nil {
			t.Fatal("it was believed")
		}
	})
}
