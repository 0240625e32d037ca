package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// work takes jobs until it is told to stop. A job uses as much memory as it says.
func (a *application) work(ctx context.Context) error {
	for ctx.Err() == nil {
		job, err := a.redis.do("LPOP", a.pending)
		if err != nil || job == "" {
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
			continue
		}
		var j struct {
			DisplayName string
			Data        struct{ Megabytes string }
		}
		if err := json.Unmarshal([]byte(job), &j); err != nil {
			a.failed.Add(1)
			continue
		}
		fmt.Printf("  %s %s RUNNING\n", time.Now().Format(time.DateTime), j.DisplayName)
		n, _ := strconv.Atoi(j.Data.Megabytes)
		var rows [][]byte
		for range n {
			row := make([]byte, 1<<20)
			for i := 0; i < len(row); i += 4096 {
				row[i] = 1 // memory that is not written to is not used
			}
			rows = append(rows, row)
		}
		fmt.Printf("  %s %s DONE %d\n", time.Now().Format(time.DateTime), j.DisplayName, len(rows))
	}
	return nil
}

// A laravelLog is the file of Laravel's default channel.
type laravelLog struct {
	mu   sync.Mutex
	name string
}

// exception writes what Monolog writes for one that nobody caught.
func (l *laravelLog) exception(level, message, class string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(l.name), 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	f, err := os.OpenFile(l.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer f.Close()
	fmt.Fprintf(f, `[%s] production.%s: %s {"exception":"[object] (%s(code: 0): %s at /var/www/app/app/Services/PdfMaker.php:218)
[stacktrace]
#0 /var/www/app/app/Services/PdfMaker.php(218): App\\Services\\PdfMaker->compose()
#1 /var/www/app/app/Http/Controllers/InvoiceController.php(97): App\\Services\\PdfMaker->build()
#2 {main}
"}
`, time.Now().Format(time.DateTime), level, message, class, message)
}

// A redisClient opens a connection for each command.
type redisClient struct{ addr string }

// do returns a simple or bulk reply, or the digits of a number; "" is null.
func (c redisClient) do(args ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", c.addr, 2*time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return "", err
	}
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	kind, rest := line[0], strings.TrimSpace(line[1:])
	switch kind {
	case '-':
		return "", errors.New(rest)
	case '$':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return "", err
		}
		bulk := make([]byte, n)
		_, err = io.ReadFull(r, bulk)
		return string(bulk), err
	}
	return rest, nil
}

func (c redisClient) number(args ...string) (int64, error) {
	s, err := c.do(args...)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(s, 10, 64)
}
