package agent

import (
	"sync"
)

// A Source is one log: of one container, or one path. It outlives the files
// that the log is rotated through. A Source never changes; when its labels do,
// there is a new one with the same ID.
type Source struct {
	ID        string     // stable across restarts: docker/<container id>, file/<collector>:<path>
	Collector string     // the collector's name, as configured
	Name      string     // for people: the container's name, or the path
	Tag       string     // of Forward, where the records came with one
	Labels    []Label    // ascending by name; what selectors and metrics see
	Container *Container // nil where the log is not a container's

	memo sync.Map // *consumer of the source* -> what it worked out for it once
}

// Label returns the value of the label, or "".
func (s *Source) Label(name string) string {
	for i := range s.Labels {
		if s.Labels[i].Name == name {
			return s.Labels[i].Value
		}
	}
	return ""
}

// Memo returns what make returned for key when it was first asked. It lives as
// long as the Source; key is a pointer that identifies who asks.
func (s *Source) Memo(key any, make func(*Source) any) any {
	if v, ok := s.memo.Load(key); ok {
		return v
	}
	v, _ := s.memo.LoadOrStore(key, make(s))
	return v
}

// A Label is one name and value.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A Container is what an engine says of one container.
type Container struct {
	ID      string // 64 hexadecimal digits
	Name    string // without the engine's leading slash
	Image   string // as it was named when the container was made
	Labels  map[string]string
	Project string // Compose project, or ""
	Service string // Compose service, or ""
	LogPath string // of the json-file log, or ""
}

// A Labeler knows the containers of an engine.
type Labeler interface {
	// Container returns what is known of the container; ok is false while
	// nothing is.
	Container(id string) (c *Container, ok bool)
	// Wanted says whether the container's logs are to be read.
	Wanted(c *Container) bool
}

// A FileID tells a file from the others that a log was or will be rotated
// through. It is taken from the file's content, for inodes are reused.
type FileID struct {
	Head  uint64 `json:"head"` // xxhash of the first Len bytes
	Len   uint32 `json:"len"`
	Inode uint64 `json:"inode"` // a hint only
}

// A Position is a place in a source: the file, and the offset after the last
// byte that is covered. Positions of one source are ordered.
type Position struct {
	Epoch  uint64 `json:"epoch"`  // counts the files that the source was seen to have, from 1
	Offset int64  `json:"offset"` // in bytes of the uncompressed file
	File   FileID `json:"file"`
	Near   uint64 `json:"near,omitempty"` // xxhash of the last bytes before Offset; 0: File says as much, or it is not known
	Time   int64  `json:"time,omitempty"` // of the last record before it, in nanoseconds since 1970; 0: not known
}

// Before reports whether p covers less of its source than q.
func (p Position) Before(q Position) bool {
	return p.Epoch < q.Epoch || p.Epoch == q.Epoch && p.Offset < q.Offset
}

// IsZero reports whether p is no position at all.
func (p Position) IsZero() bool { return p.Epoch == 0 }
