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
