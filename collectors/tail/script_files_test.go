package tail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

// dockerLines is text as Docker's json-file driver writes it.
func (s *script) dockerLines(stream, text, attrs string) string {
	var b strings.Builder
	for text != "" {
		n := strings.IndexByte(text, '\n') + 1
		if n == 0 {
			n = len(text)
		}
		if n > fragmentSize {
			n = fragmentSize
		}
		s.clock = s.clock.Add(time.Millisecond)
		b.WriteString(dockerLine(text[:n], stream, attrs, s.clock))
		text = text[n:]
	}
	return b.String()
}

func dockerLine(text, stream, attrs string, at time.Time) string {
	log, _ := json.Marshal(text)
	if attrs != "" {
		attrs = `,"attrs":` + attrs
	}
	return fmt.Sprintf(`{"log":%s,"stream":%q%s,"time":%q}`+"\n", log, stream, attrs, at.Format(time.RFC3339Nano))
}

func (s *script) reuse(path string) error {
	old, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	var others []string
	defer func() {
		for _, o := range others {
			os.Remove(o)
		}
	}()
	for i := range 50 {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if inode(info) == inode(old) {
			return nil
		}
		if i == 49 { // this file system does not give it again: we say that it did
			s.reused.Store(inode(info), s.claimed(old))
			return nil
		}
		others = append(others, fmt.Sprintf("%s/other-%d", s.state, i))
		if err := os.Rename(path, others[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *script) compress(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".gz", gzipped(s.t, content), 0o600); err != nil {
		return err
	}
	return os.Remove(path)
}
