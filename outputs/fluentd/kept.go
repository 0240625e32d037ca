package fluentd

import "fmt"

// Kept says what is in memory or in a spool.
func (o *Output) Kept() string {
	chunks, bytes := 0, int64(0)
	for _, l := range o.all() {
		chunks += l.spool.Frames() + l.q.measure().chunks
		bytes += l.spool.Bytes()
	}
	if chunks == 0 {
		return ""
	}
	return fmt.Sprintf("%d chunks (%d bytes on the disk)", chunks, bytes)
}
