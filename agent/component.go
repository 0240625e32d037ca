package agent

import "context"

// A Collector reads sources and emits what it finds. Run returns when ctx is
// done, or with an error when it cannot go on; the agent then starts it again,
// later and later. It never retries by itself what Run can report.
type Collector interface {
	Name() string
	Run(ctx context.Context, s Sink) error
}

// A Sink is where collectors put what they read.
type Sink interface {
	// Open announces a source. The same ID may be open only once at a time.
	Open(src *Source) Feed
	// Snapshot replaces all samples of that name. The sink keeps the slice.
	Snapshot(name string, samples []Sample)
	// Known reports whether Remember was called with key, by this process or by
	// one before it that had the same state.
	Known(key string) bool
	// Remember keeps key while it is called in each run.
	Remember(key string)
}

// A Feed takes the batches of one source, in order. It is used by one goroutine.
type Feed interface {
	// Resume says where the consumers stand, in the order of the positions and
	// each once: what lies beyond the first is still needed by somebody. There
	// is none when nobody has seen this source before. What is emitted next has
	// to be numbered so that each consumer gets all that it lacks.
	Resume() []Position
	// Safe is how far the source is safe with every consumer; zero where some
	// consumer has nothing of it. Whoever sent it may forget what lies below.
	Safe() Position
	// Batch waits for an empty batch. There are few: get one only when there
	// is data, and wait for nothing while holding it.
	Batch(ctx context.Context) (*Batch, error)
	// Emit hands the batch over, whatever it returns. An error means that it
	// was not taken in full: read again from where it began.
	Emit(ctx context.Context, b *Batch) error
	// Release gives a batch back unused.
	Release(b *Batch)
	// Behind reports how many bytes are known to be there and can be read. The
	// first 0 says that what was there at the start has been read.
	Behind(bytes int64)
	// Gap says that lines may be missing before what is emitted next.
	Gap()
	// Close ends the feed. gone says that the source will not come back.
	Close(gone bool)
}

// An Output sends, serves or stores. Run returns when ctx is done, or with an
// error when it cannot go on; the agent then starts it again.
type Output interface {
	Name() string
	Run(ctx context.Context) error
}

// A RecordOutput is an Output that takes records.
type RecordOutput interface {
	Output
	// Write encodes the records of b from index from on into the output's own
	// bounded memory and returns; it keeps nothing of b. It blocks while there
	// is no room. After an error nothing of b was taken.
	Write(ctx context.Context, b *Batch, from int) error
	// Consumer is what the output reports to when records are safe.
	Consumer() *Consumer
	// Drain returns when all that was written is safe, or ctx is done. Nothing is
	// written meanwhile, and Run still runs.
	Drain(ctx context.Context) error
}

// A Keeper is an Output that keeps on its disk what it could not bring away yet.
type Keeper interface {
	// Kept says what that is, for people, as "1,204 records"; "" is nothing.
	Kept() string
}

// A Meter is a component that has something to measure about itself.
type Meter interface {
	// Meter calls yield for each sample. It may be called at any time, from
	// any goroutine.
	Meter(yield func(Sample))
}

// A CatchUp is a Collector of sources that go on where they were left.
type CatchUp interface {
	// CaughtUp reports whether what was in the sources when Run was called has
	// been read, where it could be.
	CaughtUp() bool
}
