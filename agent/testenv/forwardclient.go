package testenv

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

//go:embed forwardclient.js
var forwardClientScript []byte

// A ForwardClient is how the FluentClient of the npm package @fluent-org/logger
// sends to a server.
type ForwardClient struct {
	Mode      string // Message, Forward, PackedForward or CompressedPackedForward
	SharedKey string // empty: no handshake
	Username  string // with SharedKey
	Password  string
	CAFile    string // PEM; empty: no TLS
}

// Send has the client send n records, {"log": "0"} and so on, under the tag
// node.app. It returns when all are acknowledged, or an error.
func (c ForwardClient) Send(t testing.TB, addr string, n int) error {
	t.Helper()
	_, err := exec.LookPath("node")
	Need(t, "node", err == nil)
	modules := nodeModules()
	_, err = os.Stat(filepath.Join(modules, "@fluent-org", "logger", "package.json"))
	Need(t, "the npm package @fluent-org/logger in "+modules, err == nil)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	socket := map[string]any{"host": host, "port": number, "timeout": 60_000}
	if c.CAFile != "" {
		socket["tls"] = map[string]any{"ca": c.CAFile, "servername": "localhost"}
	}
	options := map[string]any{"eventMode": c.Mode, "ack": map[string]any{"ackTimeout": 60_000}, "socket": socket}
	if c.SharedKey != "" {
		options["security"] = map[string]any{"clientHostname": "client.test", "sharedKey": c.SharedKey, "username": c.Username, "password": c.Password}
	}
	b, err := json.Marshal(options)
	if err != nil {
		return err
	}
	script := filepath.Join(t.TempDir(), "forwardclient.js")
	if err := os.WriteFile(script, forwardClientScript, 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script, strconv.Itoa(n), string(b))
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "NODE_OPTIONS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
