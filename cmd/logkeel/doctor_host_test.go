package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// asNobody runs the command as a user who may do little. Its program has to be where
// that one can read it.
func asNobody(t *testing.T, dir string) func(*exec.Cmd) {
	t.Helper()
	testenv.Need(t, "root, to run a command as another user", os.Geteuid() == 0)
	program := filepath.Join(dir, "logkeel")
	from, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return func(c *exec.Cmd) {
		c.Path, c.Dir = program, "/"
		c.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
}

// openDir is a folder that everybody can get to.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "logkeel-doctor-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func put(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// Files that are not there, not this user's, or empty; a backup folder and a socket
// that may not be read.
func TestDoctorOfFiles(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	put(t, dir+"/app/app.log", "a line\n", 0o644)
	put(t, dir+"/private/app.log", "a line\n", 0o600)
	put(t, dir+"/empty/app.log", "", 0o644)
	put(t, dir+"/locked/app.log", "a line\n", 0o644)
	put(t, dir+"/backups/2026-01-01/db.sql", "x", 0o644)
	for _, d := range []string{"/locked", "/backups"} {
		if err := os.Chmod(dir+d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir+"/agent.yaml", strings.ReplaceAll(`
collectors:
  files:
    - {name: well, paths: DIR/app/*.log}
    - {name: nothing, paths: DIR/app/*.txt}
    - {name: gone, paths: DIR/elsewhere/*.log}
    - {name: private, paths: DIR/private/*.log}
    - {name: locked, paths: DIR/locked/*.log}
    - {name: empty, paths: DIR/empty/*.log}
    - {name: excluded, paths: DIR/app/*.log, exclude: DIR/app/a*}
  backups:
    - {name: nightly, path: DIR/backups}
    - {name: lost, path: DIR/no-backups}
  integrity:
    - {name: code, paths: [DIR/private/app.log, DIR/nowhere]}
`, "DIR", dir), 0o644)
	d := doctorAt(t, dir+"/agent.yaml", asNobody(t, dir), "files", "backups", "integrity")
	d.ends(1)
	d.has("files/well", "", "1 file; written last")
	d.only("files/well")
	d.has("files/nothing", "files_none", "no file matches", "has no such file yet", "ls -l "+dir+"/app")
	d.has("files/gone", "files_none", dir+"/elsewhere is not there")
	d.has("files/private", "files_unreadable", "1 file of 1 cannot be read", "usermod")
	d.has("files/locked", "files_unreadable", "cannot be listed: permission denied")
	d.has("files/empty", "files_empty", "all is empty")
	d.has("files/excluded", "files_none", "exclude leaves out all 1")
	d.has("backups/nightly", "backups_unreadable", "permission denied", "setfacl")
	d.has("backups/lost", "backups_unreadable", "no such file", "is the disk mounted")
	d.has("integrity/code", "integrity_unreadable", dir+"/private/app.log")
	d.has("integrity/code", "integrity_no_path", dir+"/nowhere")
}

// The kernel has no instance of inotify, or no watch, left.
func TestDoctorOfInotify(t *testing.T) {
	t.Parallel()
	_, err := exec.LookPath("unshare")
	testenv.Need(t, "unshare", err == nil)
	dir := openDir(t)
	put(t, dir+"/app.log", "a line\n", 0o644)
	put(t, dir+"/agent.yaml", "collectors: {files: [{name: app, paths: "+dir+"/*.log}]}\n", 0o644)
	for limit, cause := range map[string]string{"max_inotify_instances": "inotify_instances", "max_inotify_watches": "inotify_watches"} {
		d := doctorAt(t, dir+"/agent.yaml", func(c *exec.Cmd) {
			sh := "echo 0 > /proc/sys/user/" + limit + ` && exec "$0" "$@"`
			c.Args = append([]string{"unshare", "-Ur", "sh", "-c", sh, c.Path}, c.Args[1:]...)
			c.Path, _ = exec.LookPath("unshare")
		}, "files/app")
		d.ends(3)
		d.has("files/app", cause, "are looked at each 1s instead", "sysctl fs.inotify.")
		d.has("files/app", "", "1 file")
	}
}

// A state_dir that is read-only, on a full disk, of another user, and of another agent.
func TestDoctorOfTheStateDir(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "root, to mount a file system", os.Geteuid() == 0)
	dir := openDir(t)
	at := func(state string) string {
		path := filepath.Join(dir, filepath.Base(state)+".yaml")
		put(t, path, fmt.Sprintf("state_dir: %s\ncollectors: {files: [{name: app, paths: /nowhere/*}]}\noutputs: {prometheus: {listen: %q}}\n", state, testenv.Addr(t)), 0o644)
		return path
	}
	mount := func(name, options string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("none", path, "tmpfs", 0, options); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Unmount(path, syscall.MNT_DETACH) })
		return path
	}
	full := mount("full", "size=64k")
	if err := os.WriteFile(full+"/fill", make([]byte, 128<<10), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	d := doctorAt(t, at(full), nil, "state_dir")
	d.ends(1)
	d.has("state_dir", "disk_full", "is full", "df -h "+full)

	readOnly := mount("ro", "")
	if err := syscall.Mount("none", readOnly, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	d = doctorAt(t, at(readOnly), nil, "state_dir")
	d.ends(1)
	d.has("state_dir", "state_read_only", "read-only", "mount it writable")

	inodes := mount("inodes", "nr_inodes=3")
	for i := range 10 {
		if os.WriteFile(fmt.Sprint(inodes, "/", i), nil, 0o600) != nil {
			break
		}
	}
	doctorAt(t, at(inodes), nil, "state_dir").has("state_dir", "disk_no_inodes", "no more files", "df -i "+inodes)

	foreign := filepath.Join(dir, "foreign")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	d = doctorAt(t, at(foreign), asNobody(t, dir), "state_dir")
	d.has("state_dir", "state_unwritable", "permission denied", "name a folder that this user can write")
	d.has("state_dir", "state_hidden", "as the agent's user")

	// Another agent, with another configuration and the same folder.
	other := newAgent(t, "state_dir: "+dir+"/shared\ncollectors: {files: [{name: app, paths: /nowhere/*}]}\noutputs: {prometheus: {listen: METRICS}}\n")
	other.start()
	other.awaitUp()
	d = doctorAt(t, at(dir+"/shared"), nil, "state_dir")
	d.ends(1)
	d.has("state_dir", "state_locked", fmt.Sprintf("process %d", other.cmd.Process.Pid), fmt.Sprintf("kill %d", other.cmd.Process.Pid))
	// The agent itself is no trouble.
	d = doctorAt(t, other.config, nil, "state_dir", "prometheus")
	d.ends(0)
	d.has("state_dir", "", "an agent runs with it")
	d.has("prometheus", "", "the agent that runs listens")
}

// awaitUp waits until the agent answers.
func (a *agentProcess) awaitUp() {
	a.t.Helper()
	for end := time.Now().Add(waitLong); ; time.Sleep(50 * time.Millisecond) {
		if _, err := a.page(); err == nil {
			return
		} else if time.Now().After(end) {
			a.t.Fatal(err)
		}
	}
}

// What listens, and commands that are to be run.
func TestDoctorOfListeners(t *testing.T) {
	t.Parallel()
	taken := swallow(t)
	d := doctorOf(t, fmt.Sprintf(`
collectors:
  forward:
    - {name: in, listen: %q}
    - {name: open, listen: "0.0.0.0:%s"}
    - {name: foreign, listen: "192.0.2.1:24224", shared_key: x-y-z}
  jobs:
    listen: %q
    jobs:
      - {name: backup, schedule: "0 2 * * *", command: [/nowhere/backup.sh]}
`, testenv.Addr(t), strings.Split(testenv.Addr(t), ":")[1], taken), nil, "forward", "jobs")
	d.ends(1)
	d.has("forward/in", "", "is free to listen on")
	d.only("forward/in")
	d.has("forward/open", "forward_open", "set shared_key")
	d.has("forward/foreign", "address_unusable", "192.0.2.1")
	d.has("jobs/jobs", "address_in_use", taken, "ss -ltnp")
	d.has("jobs/jobs", "job_command", "job backup cannot be run", "/nowhere/backup.sh")
}
