package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Bounds below which a disk is nearly full: so many bytes and so much of it.
const (
	fewBytes   = 256 << 20
	fewPercent = 5
	writable   = 2 // W_OK of access(2)
	enterable  = 1 // X_OK
)

// DiagnoseStateDir says whether an agent could keep there what has to outlive it.
// answers says that one with this configuration runs and answers. Nothing is written.
func DiagnoseStateDir(dir string, holder StateHolder, answers bool, report func(Diagnosis)) {
	at := dir
	for { // where it is not there it is made
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	const remedy = "name a folder that this user can write, on a disk that stays (state_dir)"
	info, err := os.Stat(at)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", at)
	}
	if err == nil {
		if err = syscall.Access(at, writable|enterable); err != nil {
			err = fmt.Errorf("%s: %w", at, err)
		}
	}
	switch {
	case errors.Is(err, syscall.EROFS):
		report(Diagnosis{Health: Failed, Cause: "state_read_only", What: "state_dir " + dir + " is on a file system that is read-only", Why: err.Error(), Do: "mount it writable (in Compose a volume: logkeel-state:" + dir + "); a disk with errors is made read-only by the kernel: dmesg says so"})
	case err != nil:
		report(Diagnosis{Health: Failed, Cause: "state_unwritable", What: "state_dir " + dir + " cannot be written", Why: err.Error(), Do: remedy})
	default:
		if d, ok := diagnoseSpace(dir, at); ok {
			report(d)
		}
	}
	report(heldBy(dir, holder, answers, at == dir))
}

// heldBy says who uses the folder.
func heldBy(dir string, holder StateHolder, answers, there bool) Diagnosis {
	who := "a process that cannot be seen from here, as one in another container"
	stop := "stop that one"
	if holder.PID != 0 {
		who = fmt.Sprintf("process %d (%s)", holder.PID, holder.Command)
		stop = fmt.Sprintf("stop that one (kill %d)", holder.PID)
	}
	switch {
	case holder.Hidden:
		return Diagnosis{Health: Known, Cause: "state_hidden", What: "whether an agent uses state_dir " + dir + " cannot be seen by this user", Do: "run this command as the agent's user, or as root"}
	case holder.Locked && !answers:
		return Diagnosis{
			Health: Failed, Cause: "state_locked", What: "state_dir " + dir + " is used by another agent", Why: "it is locked by " + who + ", which does not answer at outputs.prometheus.listen of this configuration",
			Do: stop + ", or give this one a folder of its own; if it has just started or reloads try again",
		}
	case holder.Locked:
		return Diagnosis{What: "state_dir " + dir + ": an agent runs with it, " + who}
	case answers:
		return Diagnosis{
			Health: Known, Cause: "state_elsewhere", What: "an agent answers, and does not use state_dir " + dir + " of here", Why: "it runs in a container with a folder of its own, or with another configuration",
			Do: "run this command where it runs, as in docker compose exec logkeel logkeel doctor",
		}
	case !there:
		return Diagnosis{Health: Known, Cause: "state_new", What: "state_dir " + dir + " is made at the first start"}
	}
	return Diagnosis{What: "state_dir " + dir + " is there; no agent runs with it"}
}

// diagnoseSpace says that the disk is full, or nearly.
func diagnoseSpace(dir, at string) (Diagnosis, bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(at, &st); err != nil || st.Blocks == 0 {
		return Diagnosis{}, false
	}
	free := int64(st.Bavail) * int64(st.Bsize)
	percent := 100 * float64(st.Bavail) / float64(st.Blocks)
	d := Diagnosis{
		Health: Failed, Cause: "disk_full", What: "the disk of state_dir " + dir + " is full",
		Why: "places in logs cannot be kept, and lines that wait for an output have no room: after a restart lines come twice, and some are lost",
		Do:  "make room: df -h " + ShellWord(at) + "; du -xh --max-depth=1 " + ShellWord(at),
	}
	switch {
	case st.Files > 0 && st.Ffree == 0:
		d.Cause, d.What, d.Do = "disk_no_inodes", "the disk of state_dir "+dir+" can take no more files", "remove files: df -i "+ShellWord(at)
	case st.Bavail == 0 || free < 1<<20:
	case free < fewBytes && percent < fewPercent:
		d.Health, d.Cause = Warned, "disk_nearly_full"
		d.What = fmt.Sprintf("the disk of state_dir %s is nearly full: %d MiB (%.1f %%) are free", dir, free>>20, percent)
	default:
		return d, false
	}
	return d, true
}
