package docker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/webgrip/logkeel/agent"
)

// jsonFile is the log driver whose logs are files of lines.
const jsonFile = "json-file"

// An owner says who reads a container's log.
type owner uint8

const (
	nobody   owner = iota // it is not known yet
	fromFile              // whoever reads files
	fromAPI
)

// owner decides who reads the container's log, once for as long as the container
// is there: the file where it is there and can be opened, and else the API.
// Neither is asked twice, for then both might be.
func (c *Collector) owner(id string) owner {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.owners[id]; o != nobody {
		return o
	}
	facts, known := c.facts[id]
	o := nobody
	switch {
	case known && facts.driver != jsonFile && facts.driver != "":
		o = fromAPI
	default:
		dir := filepath.Join(c.files.dir, id)
		f, err := os.Open(filepath.Join(dir, id+"-json.log"))
		if err == nil {
			f.Close()
			o = fromFile
		} else if known && never(dir, err) {
			o = fromAPI
		}
	}
	if o != nobody {
		c.owners[id] = o
	}
	return o
}

// never says of the log, which could not be opened for err, that it cannot be read
// from dir later either. A container that has a folder there may have no file yet,
// or none for a moment while it is rotated.
func never(dir string, err error) bool {
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.ReadDir(dir)
	}
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

// A FileReader is the collector as those see it that read the containers' log
// files where another one reads from the API: those that are not theirs are not
// wanted.
type FileReader struct{ *Collector }

var _ agent.Labeler = FileReader{}

// Wanted reports whether the container's log is to be read, and from its file.
func (f FileReader) Wanted(k *agent.Container) bool {
	return f.Collector.Wanted(k) && f.owner(k.ID) == fromFile
}
