package agent

// A SampleType is how a Sample's value is to be read.
type SampleType uint8

// The types, with Prometheus's meaning.
const (
	Gauge SampleType = iota
	Counter
	Histogram
)

// A Sample is one measured value. All samples of a name have the same help,
// type and label names.
type Sample struct {
	Name   string // Prometheus's conventions: base units, _total for counters
	Help   string
	Type   SampleType
	Labels []Label
	Value  float64 // of a histogram the sum
	// Note is why it is so, as the text of the last error, for people that an alert
	// on it is told to. Metrics do not have it. Whoever shows it has to escape it.
	Note string

	Count   uint64   // of values, of a histogram
	Buckets []Bucket // ascending, likewise
}

// A Bucket is how many of a histogram's values are not above Upper.
type Bucket struct {
	Upper float64
	Count uint64
}
