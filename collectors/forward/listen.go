package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// acceptAgain is how long to wait after a connection could not be taken, for
// want of descriptors as a rule.
const acceptAgain = 100 * time.Millisecond

// A listener removes its socket's file when it is closed.
type listener struct{ net.Listener }

func (c *Collector) listen(ctx context.Context) (*listener, error) {
	network, address := "tcp", c.config.Listen
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		network, address = "unix", path
		if err := removeStale(path); err != nil {
			return nil, err
		}
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("%w; free the address or choose another", err)
	}
	if network == "unix" {
		mode, err := c.config.mode()
		if err == nil {
			err = os.Chmod(address, mode)
		}
		if err != nil {
			ln.Close()
			return nil, err
		}
	}
	c.mu.Lock()
	c.addr = ln.Addr().String()
	c.mu.Unlock()
	c.log.Info("clients can send by the Forward protocol", "address", c.addr)
	if c.config.Open() {
		c.log.Warn("anybody who reaches this address can send; set shared_key, or tls with ca_file, or listen on 127.0.0.1", "address", c.addr)
	}
	return &listener{ln}, nil
}

// removeStale removes the socket of an agent that was killed. One that somebody
// listens on stays, and so does what is no socket.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is there and no socket; remove it or choose another path", path)
	}
	nc, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		nc.Close()
		return fmt.Errorf("%s: somebody else listens there", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s is there: %w", path, err)
	}
	return os.Remove(path)
}

var errCrowd = fmt.Errorf("there are %d connections already", maxConns)

// accept takes clients until ctx is done.
func (c *Collector) accept(ctx context.Context, ln *listener, secure *tls.Config, reads, conns *sync.WaitGroup) error {
	for {
		nc, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				nc.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			c.complain("", "accept", err)
			select {
			case <-ctx.Done():
			case <-time.After(acceptAgain):
			}
			continue
		}
		cn := newConn(c, nc)
		if !c.join(cn) {
			nc.Close()
			if ctx.Err() != nil {
				return nil
			}
			c.complain(cn.peer, "too_many", errCrowd)
			continue
		}
		conns.Add(2)
		reads.Go(func() {
			defer conns.Done()
			defer cn.end()
			c.receive(ctx, cn, secure)
		})
		go func() {
			defer conns.Done()
			cn.write()
			c.leave(cn)
		}()
	}
}

// receive reads what one client sends.
func (c *Collector) receive(ctx context.Context, cn *conn, secure *tls.Config) {
	err := cn.open(ctx, secure, c.gate)
	if err != nil {
		if ctx.Err() == nil {
			c.complain(cn.peer, "handshake", err)
		}
		return
	}
	err = cn.read()
	if name, said := reason(err); said {
		c.complain(cn.peer, name, err)
	} else if name != "" {
		c.counts.add(name)
	}
}

func (c *Collector) join(cn *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.stopping: // nobody would end it
		return false
	default:
	}
	if len(c.conns) >= maxConns {
		return false
	}
	c.conns[cn] = struct{}{}
	return true
}

func (c *Collector) leave(cn *conn) {
	cn.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, cn)
}
