package forward

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// openEpoch is the epoch of positions in the spool: when it was made. A spool
// that is removed and made anew counts its frames from 1 again, and no consumer
// may take these for the ones that it had.
func openEpoch(dir string, log *slog.Logger) (uint64, error) {
	path := filepath.Join(dir, "epoch")
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("read the spool's epoch: %w", err)
	}
	n, perr := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 62)
	if err == nil && perr == nil && n > 0 {
		return n, nil
	}
	if err == nil {
		log.Warn("the spool's epoch is damaged and is made anew: what is in the spool may be sent once more", "file", path)
	}
	n = uint64(max(1, time.Now().UnixMilli()))
	f, err := os.CreateTemp(dir, "epoch-")
	if err != nil {
		return 0, fmt.Errorf("write the spool's epoch: %w", err)
	}
	_, err = fmt.Fprintln(f, n)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return 0, fmt.Errorf("write the spool's epoch: %w", err)
	}
	return n, agent.SyncDir(dir)
}
