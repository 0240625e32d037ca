package prometheus

import (
	"bytes"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/webgrip/logkeel/agent"
)

// clockTick is how many of /proc's units of time a second has, on Linux.
const clockTick = 100

// meterProcess yields what the system says of the process, under the names that
// programs usually have for it. What proc, which is /proc, does not say is left out.
func meterProcess(proc fs.FS, yield func(agent.Sample)) {
	gauge := func(name, help string, v float64) { yield(agent.Sample{Name: name, Help: help, Value: v}) }
	counter := func(name, help string, v float64) {
		yield(agent.Sample{Name: name, Help: help, Type: agent.Counter, Value: v})
	}
	stat, _ := fs.ReadFile(proc, "self/stat")
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from the third on: a name has blanks
	if len(fields) > 21 {
		field := func(i int) float64 { return value(fields[i-3]) }
		counter("process_cpu_seconds_total", "Time of processors, the system's for it included.", (field(14)+field(15))/clockTick)
		gauge("process_virtual_memory_bytes", "Addresses in use.", field(23))
		gauge("process_resident_memory_bytes", "Memory in use, the pages of its program included.", field(24)*float64(os.Getpagesize()))
		if booted, ok := after(proc, "stat", "btime "); ok {
			gauge("process_start_time_seconds", "When it was started, since 1970.", value(booted)+field(22)/clockTick)
		}
	}
	if open, err := fs.ReadDir(proc, "self/fd"); err == nil {
		gauge("process_open_fds", "Open files and connections.", float64(len(open)))
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		gauge("process_max_fds", "Files and connections that may be open.", float64(limit.Cur))
	}
	if syscall.Getrlimit(unix.RLIMIT_AS, &limit) == nil {
		gauge("process_virtual_memory_max_bytes", "Addresses that may be in use.", float64(limit.Cur))
	}
	in, out := octets(proc)
	if in != nil && out != nil {
		counter("process_network_receive_bytes_total", "What came by network, to all processes that share its network.", value(in))
		counter("process_network_transmit_bytes_total", "What left by network, of all processes that share its network.", value(out))
	}
}

// octets are those that came and left by IP: netstat has a line of names and then
// one of values.
func octets(proc fs.FS) (in, out []byte) {
	text, _ := fs.ReadFile(proc, "self/net/netstat")
	var names [][]byte
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) == 0 || string(fields[0]) != "IpExt:" {
			continue
		}
		for i, name := range names {
			if i < len(fields) && string(name) == "InOctets" {
				in = fields[i]
			}
			if i < len(fields) && string(name) == "OutOctets" {
				out = fields[i]
			}
		}
		names = fields
	}
	return in, out
}

// after returns what a file has after the key, which begins a line.
func after(proc fs.FS, file, key string) ([]byte, bool) {
	text, _ := fs.ReadFile(proc, file)
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(key)); ok {
			return bytes.TrimSpace(rest), true
		}
	}
	return nil, false
}

func value(text []byte) float64 {
	v, _ := strconv.ParseFloat(string(text), 64)
	return v
}
