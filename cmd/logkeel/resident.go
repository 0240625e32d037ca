package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// restEvery is how often what of the program was not needed lately is let go,
// restSoon how long after the start it is for the first time: it doubles.
const (
	restSoon  = time.Second
	restEvery = time.Minute
)

// A region is a part of this process's memory.
type region struct{ from, to uintptr }

// rest lets go, soon and then each minute, of those pages of the
// program that were needed once and may not be needed again: what reading the
// configuration takes, a report, somebody who looks at the status page. Linux
// maps 64 KiB around whatever is touched and takes nothing back unless memory is
// short, so that after a day nearly all of the program would count as the
// agent's. What is needed comes back from the page cache, without reading the
// disk as long as it is there.
func rest(ctx context.Context, program string) {
	for wait := restSoon; ; wait = min(2*wait, restEvery) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		letGo(program)
	}
}

// settle lets go of what reading the configuration and the rules took, before what
// was read begins to work, so that the two are not needed at a time.
func settle(program string) {
	debug.FreeOSMemory()
	letGo(program)
}

// letGo lets go of the pages of the program once. Where the system does not say
// which these are nothing is done; memory is all that is at stake.
func letGo(program string) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	for _, r := range programRegions(f, program) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, r.from, r.to-r.from, unix.MADV_DONTNEED)
	}
}

// programRegions are the parts in smaps that are the file's and nothing but the
// file's: which nobody may write, and in which no page was ever written. Pages
// of others would be lost, not read again: those that a linker relocates and
// then protects, or where a debugger has set a breakpoint.
func programRegions(smaps io.Reader, program string) (out []region) {
	var now region
	mine, said, clean := false, false, true
	end := func() {
		if mine && said && clean {
			out = append(out, now)
		}
		mine, said, clean = false, false, true
	}
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		if key, ok := strings.CutSuffix(fields[0], ":"); ok {
			if key == "Anonymous" || key == "Swap" {
				said = said || key == "Anonymous"
				clean = clean && fields[1] == "0"
			}
			continue
		}
		end()
		if len(fields) == 6 && strings.HasPrefix(fields[1], "r-") && fields[5] == program {
			now, mine = parseRegion(fields[0])
		}
	}
	if lines.Err() == nil {
		end()
	}
	return out
}

// parseRegion reads a range as smaps has it: two addresses in hexadecimal.
func parseRegion(text string) (region, bool) {
	from, to, _ := strings.Cut(text, "-")
	a, err := strconv.ParseUint(from, 16, strconv.IntSize)
	if err != nil {
		return region{}, false
	}
	b, err := strconv.ParseUint(to, 16, strconv.IntSize)
	return region{uintptr(a), uintptr(b)}, err == nil && a < b
}
