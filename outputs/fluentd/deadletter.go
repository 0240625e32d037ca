package fluentd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
)

const (
	deadLetterBytes = 16 << 20  // of the file; there is one older
	deadLetterQuiet = time.Hour // between two words about it
	unwanted        = "it stayed unacknowledged three times while others were acknowledged"
)

// deadLetters is the file of the records that the receiver does not take.
type deadLetters struct {
	path    string
	log     *slog.Logger
	max     int64
	trouble *agent.Trouble
	count   atomic.Uint64

	mu sync.Mutex // the file, and what follows
	// What was not said yet.
	said    time.Time
	records int
}

// A deadLetter is one line of the file.
type deadLetter struct {
	At     time.Time      `json:"at"`
	Why    string         `json:"why"`
	Tag    string         `json:"tag"`
	Time   time.Time      `json:"time"`
	Record map[string]any `json:"record"`                  // null where it cannot be JSON
	Log    []byte         `json:"log_base64,omitempty"`    // where it is not UTF-8
	Raw    []byte         `json:"record_base64,omitempty"` // the record's MessagePack, where it cannot be JSON
	raw    []byte
}

// line is the letter as JSON. A record that came as a map may have what JSON has
// not, NaN or names that are numbers: that must not keep it from being put aside.
func (l *deadLetter) line() ([]byte, error) {
	b, err := json.Marshal(l)
	if err == nil {
		return b, nil
	}
	l.Record, l.Raw = nil, l.raw
	return json.Marshal(l)
}

func newDeadLetters(stateDir, name string, log *slog.Logger) *deadLetters {
	return &deadLetters{
		path: filepath.Join(stateDir, "dead-letter", name+".jsonl"), log: log, max: deadLetterBytes, trouble: agent.NewTrouble(log),
	}
}

// add puts the records of the chunks into the file and on the disk.
func (d *deadLetters) add(chunks []*chunk) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b []byte
	n := 0
	now := time.Now()
	for _, c := range chunks {
		letters, err := lettersOf(c.frame)
		if err != nil {
			return fmt.Errorf("read what is to be given up: %w", err)
		}
		for _, l := range letters {
			l.At, l.Why = now, unwanted
			line, err := l.line()
			if err != nil {
				return fmt.Errorf("write what is to be given up: %w", err)
			}
			if len(b) > 0 && int64(len(b)+len(line)) > d.max {
				if err := d.write(b); err != nil {
					return err
				}
				b = b[:0]
			}
			b = append(append(b, line...), '\n')
			n++
		}
	}
	if err := d.write(b); err != nil {
		return err
	}
	d.count.Add(uint64(n))
	d.say(n)
	return nil
}

// say says it once, and at most hourly while it goes on.
func (d *deadLetters) say(n int) {
	d.records += n
	if !d.said.IsZero() && time.Since(d.said) < deadLetterQuiet {
		return
	}
	d.log.Warn("the receiver does not take some records, and takes others: they are put aside", "file", d.path, "records", d.records, "why", unwanted)
	d.said, d.records = time.Now(), 0
}

func lettersOf(frame []byte) (letters []deadLetter, err error) {
	_, b, err := msgp.ReadArrayHeaderBytes(frame)
	if err != nil {
		return nil, err
	}
	tag, b, err := msgp.ReadStringBytes(b)
	if err != nil {
		return nil, err
	}
	b, _, err = msgp.ReadBytesZC(b)
	for err == nil && len(b) > 0 {
		l := deadLetter{Tag: tag}
		if _, b, err = msgp.ReadArrayHeaderBytes(b); err != nil {
			return nil, err
		}
		var at fluent.EventTime
		if b, err = msgp.ReadExtensionBytes(b, &at); err != nil {
			return nil, err
		}
		record := b
		if b, err = msgp.Skip(b); err != nil {
			return nil, err
		}
		l.raw = record[:len(record)-len(b)]
		if l.Record, _, err = msgp.ReadMapStrIntfBytes(l.raw, nil); err != nil {
			l.Record, l.Raw, err = nil, l.raw, nil
		}
		l.Time = time.Time(at).UTC()
		if text, ok := l.Record["log"].(string); ok && !utf8.ValidString(text) {
			l.Log = []byte(text)
		}
		letters = append(letters, l)
	}
	return letters, err
}

// write appends b and has it on the disk when it returns. After an error the
// file is as it was, as far as the disk allows.
func (d *deadLetters) write(b []byte) (err error) {
	dir := filepath.Dir(d.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if info, err := os.Stat(d.path); err == nil && info.Size() > 0 && info.Size()+int64(len(b)) > d.max {
		if err := os.Rename(d.path, d.path+".1"); err != nil {
			return err
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := wholeLines(f)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(b, size); err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Truncate(size) // or else wholeLines does, the next time
		return err
	}
	if err := agent.SyncDir(dir); err != nil {
		return err
	}
	return agent.SyncDir(filepath.Dir(dir))
}

// wholeLines cuts off the line that a killed process left, and returns the size.
func wholeLines(f *os.File) (size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size = info.Size()
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		n := min(end, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			whole := end - n + int64(i) + 1
			if whole == size {
				return size, nil
			}
			return whole, f.Truncate(whole)
		}
		end -= n
	}
	return 0, f.Truncate(0)
}

// giveUp puts the records of chunks that the receiver does not take aside.
func (l *lane) giveUp(refused []*chunk) {
	if len(refused) == 0 {
		return
	}
	if err := l.o.dead.add(refused); err != nil {
		l.o.dead.trouble.Fail(err, "records that the receiver does not take cannot be put aside; they are sent again", "file", l.o.dead.path)
		l.q.giveBack(refused, false)
		return
	}
	l.o.dead.trouble.Clear("records that the receiver does not take are put aside again", "file", l.o.dead.path)
	l.q.giveBack(refused, true)
}
