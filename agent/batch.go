package agent

import (
	"slices"
	"time"
)

// A Span is a stretch of a Batch's Buf, as byte offsets.
type Span struct{ Start, End int32 }

// Len is the span's length in bytes.
func (s Span) Len() int { return int(s.End - s.Start) }

// A Batch is what one read of one Source produced. The lines lie in Buf, and
// only there. A batch belongs to whoever got it from Feed.Batch until it is
// given to Feed.Emit or Feed.Release; nobody may keep a part of it afterwards.
type Batch struct {
	Source   *Source
	Buf      []byte
	Records  []Record
	Findings []Finding // ascending by Record
	Fields   []Fields  // by record; none where records are text and nothing else
	Pos      Position  // where Source stands once this batch is safe
	Passed   Passed    // lines before Pos that are not among Records, for nobody wants them
	Gaps     []int32   // records, by index, before which lines were passed over, ascending; len(Records) is after the last
}

// GapAt reports whether lines before record i were passed over.
func (b *Batch) GapAt(i int) bool {
	if len(b.Gaps) == 0 {
		return false
	}
	_, found := slices.BinarySearch(b.Gaps, int32(i))
	return found
}

// Fields are what a record came with beside its text, where it came as a map.
type Fields struct {
	Map Span // a map of MessagePack, in Buf, without the member that the record's Body is
	Key Span // the name of that member; empty where Body is a rendering of the whole of Map
}

// Body is the text of record i, without its line end.
func (b *Batch) Body(i int) []byte {
	s := b.Records[i].Body
	return b.Buf[s.Start:s.End]
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.Source = nil
	b.Buf, b.Records, b.Findings, b.Fields, b.Gaps = b.Buf[:0], b.Records[:0], b.Findings[:0], b.Fields[:0], b.Gaps[:0]
	b.Pos, b.Passed = Position{}, Passed{}
}

// A Record is one line of a log, joined where the log had it in pieces.
type Record struct {
	Time   int64 // nanoseconds since 1970, from the log where it has one
	End    int64 // offset in the source's file just after this record
	Body   Span
	Stream Stream
	Flags  Flags
}

// Stream says which of a container's streams a record was written to.
type Stream uint8

// The streams; None for logs that have no streams.
const (
	None Stream = iota
	Stdout
	Stderr
)

func (s Stream) String() string {
	switch s {
	case Stdout:
		return "stdout"
	case Stderr:
		return "stderr"
	}
	return ""
}

// Flags mark records that are not what the log's writer meant them to be.
type Flags uint8

const (
	// Malformed marks a line that is not in its log's format; Body is the raw line.
	Malformed Flags = 1 << iota
	// Cut marks a piece of a line that was longer than a record may be.
	Cut
)

// A Finding is a rule that held for one record.
type Finding struct {
	Rule   *Rule
	Record int32 // index into the batch's Records
	Match  Span  // what matched, in Buf
}

// A Rule is what a finding says of itself. The matcher that made it keeps the
// expressions; a Rule never changes once it is loaded.
type Rule struct {
	Name     string        `json:"name"` // unique among all rules
	Group    string        `json:"group,omitempty"`
	Class    string        `json:"class"`    // error, security, slow, database, availability, ...
	Severity string        `json:"severity"` // critical, warning or info
	Summary  string        `json:"summary,omitempty"`
	Runbook  string        `json:"runbook,omitempty"`
	File     string        `json:"file"` // where it was read: a path, or pack:NAME
	Line     int           `json:"line"`
	Cooldown time.Duration `json:"cooldown,omitempty"` // how long nothing is said again of what was said; 0: the output decides
	Index    int           `json:"-"`                  // dense, from 0, within one loaded set of rules
	Unmarked bool          `json:"-"`                  // a record for which it holds is as it should be: no output marks it
	OnSample bool          `json:"-"`                  // it is on samples: no record has findings of it
}

// A Matcher judges the records of a batch in one go and appends what it finds
// to b.Findings, ascending by record. It is called from many goroutines at once.
type Matcher interface {
	Match(b *Batch)
	Rules() []*Rule
}
