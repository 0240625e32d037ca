package fluentd

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/webgrip/logkeel/agent"
)

// agentIDFile holds what tells this agent from others, in its state_dir.
const agentIDFile = "agent-id"

// agentID reads the agent's id, or makes it where there is none.
func agentID(stateDir string, log *slog.Logger) (string, error) {
	path := filepath.Join(stateDir, agentIDFile)
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the agent's id: %w", err)
	}
	id := strings.TrimSpace(string(b))
	if raw, err := hex.DecodeString(id); err == nil && len(raw) == 16 {
		return id, nil
	}
	if err == nil {
		log.Warn("the agent's id is damaged and is made anew: a receiver cannot tell from now on what it already has", "file", path)
	}
	var raw [16]byte
	rand.Read(raw[:]) // never fails
	id = hex.EncodeToString(raw[:])
	if err := writeSynced(path, id+"\n"); err != nil {
		return "", fmt.Errorf("write the agent's id: %w; free space in state_dir or make it writable, or leave identity out", err)
	}
	return id, nil
}

func writeSynced(path, text string) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	return agent.SyncDir(filepath.Dir(path))
}

// sourceID is the first part of the ids of a source's records.
func sourceID(agentID, source string) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, xxhash.Sum64String(agentID+"\x00"+source)))
}

// appendRecordID appends the member logkeel_id of a record: its source, its place
// in the file, and a hash of its text and of what tells the files apart. nth tells
// records apart that end at the same place.
func appendRecordID(b []byte, source string, batch *agent.Batch, i, nth int) []byte {
	r := &batch.Records[i]
	b = append(b, keyID...)
	b = append(b, 0xd9, 0) // a string of up to 255 bytes
	start := len(b)
	b = append(b, source...)
	b = strconv.AppendInt(append(b, '.'), r.End, 36)
	if nth > 0 {
		b = strconv.AppendInt(append(b, '.'), int64(nth), 36)
	}
	var in [17]byte
	binary.BigEndian.PutUint64(in[:], xxhash.Sum64(batch.Body(i)))
	binary.BigEndian.PutUint64(in[8:], fileOf(batch, r))
	in[16] = byte(r.Stream)
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], xxhash.Sum64(in[:]))
	b = base64.RawURLEncoding.AppendEncode(append(b, '.'), sum[:])
	b[start-1] = byte(len(b) - start)
	return b
}

// fileOf tells the file of a record from the others of its source. A container's
// log has times to the nanosecond. Elsewhere it is the file's number, though files
// may be given others where some are gone after a kill.
func fileOf(batch *agent.Batch, r *agent.Record) uint64 {
	if batch.Source.Container != nil && r.Flags&agent.Malformed == 0 {
		return uint64(r.Time)
	}
	return batch.Pos.Epoch
}
