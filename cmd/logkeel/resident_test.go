package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestProgramRegions(t *testing.T) {
	const program = "/usr/local/bin/logkeel"
	smaps := func(head string, anonymous, swap int) string {
		return fmt.Sprintf("%s\nSize: 8 kB\nRss: 8 kB\nPrivate_Dirty: 8 kB\nAnonymous: %d kB\nSwap: %d kB\nVmFlags: rd mr mw me\n", head, anonymous, swap)
	}
	for _, test := range []struct {
		name, text string
		want       []region
	}{
		{"code and constants", smaps("00400000-00fa0000 r-xp 00000000 fe:00 12 "+program, 0, 0) + smaps("00fa0000-01c55000 r--p 00ba0000 fe:00 12 "+program, 0, 0), []region{{0x400000, 0xfa0000}, {0xfa0000, 0x1c55000}}},
		{"what is written", smaps("01c55000-01cf8000 rw-p 01855000 fe:00 12 "+program, 0, 0), nil},
		{"relocated, then protected", smaps("01c55000-01cf8000 r--p 01855000 fe:00 12 "+program, 4, 0), nil},
		{"the same, swapped out", smaps("01c55000-01cf8000 r--p 01855000 fe:00 12 "+program, 0, 4), nil},
		{"another file", smaps("7f00000000-7f00001000 r-xp 00000000 fe:00 13 /lib/libc.so.6", 0, 0), nil},
		{"no file", smaps("7f00000000-7f00001000 r--p 00000000 00:00 0", 0, 0), nil},
		{"replaced meanwhile", smaps("00400000-00fa0000 r-xp 00000000 fe:00 12 "+program+" (deleted)", 0, 0), nil},
		{"no range", smaps("00fa0000-00400000 r-xp 00000000 fe:00 12 "+program, 0, 0), nil},
		{"no numbers", smaps("x-y r-xp 00000000 fe:00 12 "+program, 0, 0), nil},
		{"not said whether it was written", "00400000-00fa0000 r-xp 00000000 fe:00 12 " + program + "\nSize: 8 kB\nSwap: 0 kB\n", nil},
		{"short", "00400000-00fa0000 r\n- - - - - -\n\n:\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := programRegions(strings.NewReader(test.text), program); !slices.Equal(got, test.want) {
				t.Errorf("got %x, want %x", got, test.want)
			}
		})
	}
}

// TestLetGo lets go of this test's own program, which has to go on.
func TestLetGo(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before := residentProgram(t)
	letGo(program)
	if after := residentProgram(t); after >= before {
		t.Errorf("%d KiB of the program are resident, and were %d", after, before)
	}
}

func residentProgram(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("RssFile:"))
	n, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
