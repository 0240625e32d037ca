package fluentd

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/forward"
)

// A record that JSON has no words for is put aside as it is: or else it would be sent
// for ever, and all after it wait.
func TestDeadLetterThatIsNoJSON(t *testing.T) {
	nan := msgp.AppendFloat64(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "share"), math.NaN())
	number := msgp.AppendString(msgp.AppendInt(msgp.AppendMapHeader(nil, 1), 7), "seven")
	within := append(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "by"), number...)
	plain := msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "log"), "text")
	records := [][]byte{nan, number, within, plain}
	var chunks []*chunk
	for _, record := range records {
		b := forward.AppendPacked(nil, "tag")
		start := len(b)
		b = append(forward.AppendEventTime(append(b, 0x92), 1), record...)
		chunks = append(chunks, &chunk{frame: forward.FinishPacked(b, start, 1, make([]byte, forward.ChunkIDLen))})
	}
	st := newState(t)
	d := newDeadLetters(st.dir, "main", st.log.logger())
	if err := d.add(chunks); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for line := range bytes.Lines(text) {
		var l deadLetter
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if want := records[i]; i < 3 && (l.Record != nil || !bytes.Equal(l.Raw, want)) || i == 3 && (l.Record["log"] != "text" || l.Raw != nil) {
			t.Errorf("%s", line)
		}
		i++
	}
	if i != len(records) {
		t.Errorf("%d lines", i)
	}
}
