package fluentd

import "fmt"

// Kept says what is in memory or in the spool.
func (o *Output) Kept() string {
	frames := o.spool.Frames()
	if n := frames + o.q.measure().chunks; n > 0 {
		return fmt.Sprintf("%d chunks (%d bytes on the disk)", n, o.spool.Bytes())
	}
	return ""
}
