package engine

import "github.com/webgrip/logkeel/agent"

// Candidates are where a Scanner notes which expressions may match which
// records. Only records that have something get a row: one bit an expression.
type Candidates struct {
	words int     // of a row
	row   []int32 // by record: where its row is in rows, in words; 0 where it has none
	rows  []uint64
	one   *Candidates // of a single record
}

// Reset empties c for so many records, and rows of so many words of 64 bits.
func (c *Candidates) Reset(records, words int) {
	if cap(c.row) < records {
		c.row = make([]int32, records)
	}
	c.row = c.row[:records]
	clear(c.row)
	c.words = words
	if cap(c.rows) < words {
		c.rows = make([]uint64, words)
	}
	c.rows = c.rows[:words] // the first one is that of records which have none: it stays empty
	clear(c.rows)
}

// Row is the row of a record. marked is false where it has none: then it is empty.
func (c *Candidates) Row(record int) (row []uint64, marked bool) {
	at := int(c.row[record])
	return c.rows[at : at+c.words], at != 0
}

// Again looks through one record of b once more.
func (c *Candidates) Again(s *Scanner, b *agent.Batch, record int) (row []uint64) {
	if c.one == nil {
		c.one = &Candidates{}
	}
	c.one.Reset(1, c.words)
	s.Scan(&agent.Batch{Buf: b.Buf, Records: b.Records[record : record+1]}, c.one)
	row, _ = c.one.Row(0)
	return row
}

func (c *Candidates) mark(record int, exprs []int32) {
	at := c.row[record]
	if at == 0 {
		at = int32(len(c.rows))
		c.row[record] = at
		for range c.words {
			c.rows = append(c.rows, 0)
		}
	}
	for _, e := range exprs {
		c.rows[int(at)+int(e>>6)] |= 1 << (e & 63)
	}
}
