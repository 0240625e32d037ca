package agent

import "context"

// A Sampler measures something outside the agent.
type Sampler interface {
	// Sample yields one full snapshot. It ends when ctx is done, whatever the
	// server does. An error says what could not be measured and what to do;
	// what was yielded counts all the same. When the server cannot be reached
	// at all, only the metric that says so is yielded.
	Sample(ctx context.Context, yield func(Sample)) error
	// Close ends its connections.
	Close() error
}

// A Recorder is a Sampler that says itself what its records are. Those of others
// are made of their samples.
type Recorder interface {
	Sampler
	// Records yields the records of the snapshot that Sample has just taken, in
	// whole or in part, and is called by the same goroutine. Names are those of
	// metrics, or of a tool that people know; kind and target are added.
	Records(yield func(fields []Field))
}

// A Field is one member of a record: its value is a string, bool, int64, uint64 or
// float64.
type Field struct {
	Name  string
	Value any
}
