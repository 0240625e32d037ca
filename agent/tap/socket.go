package tap

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
)

// Socket is the name of the socket in state_dir.
const Socket = "tap.sock"

// maxPath is how long a socket's path may be, as Linux has it.
const maxPath = 107

// listen makes the socket, which only the agent's own user can open, in the place
// of what an agent that was killed has left. Nobody else uses the folder: it is
// locked.
func listen(ctx context.Context, dir string) (net.Listener, error) {
	// In the folder for it nobody can open it before it has its mode.
	tmp := filepath.Join(dir, Socket+".tmp")
	if err := os.RemoveAll(tmp); err != nil {
		return nil, err
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	var ln net.Listener
	err := within(tmp, "s", func(path string) (err error) {
		ln, err = (&net.ListenConfig{}).Listen(ctx, "unix", path)
		return err
	})
	if err != nil {
		return nil, err
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	made := filepath.Join(tmp, "s")
	if err = os.Chmod(made, 0o600); err == nil {
		err = os.Rename(made, filepath.Join(dir, Socket))
	}
	if err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

func dial(ctx context.Context, dir string) (conn net.Conn, err error) {
	err = within(dir, Socket, func(path string) (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, "unix", path)
		return err
	})
	return conn, err
}

// within calls do with a path of the name in dir that is short enough for a socket.
func within(dir, name string, do func(path string) error) error {
	path := filepath.Join(dir, name)
	if len(path) <= maxPath {
		return do(path)
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer runtime.KeepAlive(d)
	defer d.Close()
	if err := do(filepath.Join("/proc/self/fd", fmt.Sprint(d.Fd()), name)); err != nil {
		return fmt.Errorf("%s (whose path is longer than %d bytes): %w", path, maxPath, err)
	}
	return nil
}
