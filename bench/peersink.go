package main

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
)

// serveLines takes text, a record a line: what agents send that speak neither
// Forward nor OTLP. Records are counted, their text is not looked at.
func serveLines(s *sink, c net.Conn) error {
	lines := bufio.NewScanner(c)
	lines.Buffer(make([]byte, 256<<10), 16<<20)
	for lines.Scan() {
		s.look(lines.Bytes())
		s.count(tally{n: 1}, len(lines.Bytes())+1)
	}
	return cmp.Or(lines.Err(), io.EOF)
}

// serveOTLP takes the exports of logs that come by HTTP, uncompressed, and
// counts their records.
func serveOTLP(s *sink, c net.Conn) error {
	r := bufio.NewReaderSize(c, 256<<10)
	for {
		q, err := http.ReadRequest(r)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(io.LimitReader(q.Body, maxFrame))
		if err != nil {
			return err
		}
		s.look(body)
		n, err := otlpRecords(body)
		if err != nil {
			return err
		}
		s.count(tally{n: n}, len(body))
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return err
		}
	}
}

var errNoProto = errors.New("this is no OTLP export")

// otlpRecords counts the log records of an ExportLogsServiceRequest: they are
// resource_logs (1), scope_logs (2), log_records (2).
func otlpRecords(b []byte) (n int64, err error) {
	err = protoFields(b, 1, func(b []byte) error {
		return protoFields(b, 2, func(b []byte) error {
			return protoFields(b, 2, func([]byte) error { n++; return nil })
		})
	})
	return n, err
}

// protoFields calls do with each field of that number that has a length.
func protoFields(b []byte, number uint64, do func([]byte) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			return errNoProto
		}
		b = b[n:]
		size := 0
		switch key & 7 {
		case 0:
			_, size = binary.Uvarint(b)
		case 1:
			size = 8
		case 5:
			size = 4
		case 2:
			v, n := binary.Uvarint(b)
			if n <= 0 || v > uint64(len(b)-n) {
				return errNoProto
			}
			b, size = b[n:], int(v)
			if key>>3 == number {
				if err := do(b[:size]); err != nil {
					return err
				}
			}
		}
		if size > len(b) || size <= 0 && key&7 != 2 {
			return errNoProto
		}
		b = b[size:]
	}
	return nil
}
