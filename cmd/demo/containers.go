package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// keepFiles is how many files of a log there are, as max-file of Docker.
const keepFiles = 3

// A container is the log of one that there is not: in the folder and the format
// of Docker's json-file driver, and rotated as that does it.
type container struct {
	id      string // 64 hexadecimal digits
	name    string
	service string
	image   string
	stream  string
	rate    int                   // lines a second
	maxSize int64                 // bytes of a file from which on the next line goes into a new one
	line    func(n uint64) string // an ordinary line

	tally   *tally
	rotated func(c *container)

	path  string
	f     *os.File
	size  int64
	lines uint64

	mu      sync.Mutex
	planted []string // to be written before the next ordinary line
	files   int      // rotations so far
}

// create makes the container's folder, with the file that the engine describes
// it in.
func (c *container) create(root string) error {
	dir := filepath.Join(root, "containers", c.id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	c.path = filepath.Join(dir, c.id+"-json.log")
	config := map[string]any{
		"ID": c.id, "Name": "/" + c.name, "LogPath": c.path,
		"Config": map[string]any{"Image": c.image, "Labels": map[string]string{
			"com.docker.compose.project": "shop", "com.docker.compose.service": c.service,
		}},
	}
	b, err := json.Marshal(config)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.v2.json"), b, 0o600); err != nil {
		return err
	}
	return c.open()
}

func (c *container) open() (err error) {
	c.f, err = os.OpenFile(c.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	c.size = 0
	return err
}

// plant has the line written next.
func (c *container) plant(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.planted = append(c.planted, text)
}

// rotations is how often the log was rotated.
func (c *container) rotations() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files
}

// run writes lines at the container's rate until ctx is done, and what is
// planted in any case.
func (c *container) run(ctx context.Context) error {
	defer c.f.Close()
	start := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	due := 0.0 // ordinary lines that should be there since the last tick
	for last := start; ; {
		c.mu.Lock()
		planted := c.planted
		c.planted = nil
		c.mu.Unlock()
		for _, text := range planted {
			if err := c.write(text); err != nil {
				return err
			}
		}
		now := time.Now()
		// After a pause of the machine it does not try to make up for it.
		due += min(now.Sub(last).Seconds(), 0.2) * float64(c.rate)
		for last = now; due >= 1; due-- {
			c.lines++
			if err := c.write(c.line(c.lines)); err != nil {
				return err
			}
		}
		if ctx.Err() != nil && len(planted) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// write appends one line as Docker does: one object, one write.
func (c *container) write(text string) error {
	if c.size >= c.maxSize {
		if err := c.rotate(); err != nil {
			return err
		}
	}
	b, err := json.Marshal(struct {
		Log    string    `json:"log"`
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}{c.tally.number(c.name, text) + "\n", c.stream, time.Now().UTC()})
	if err != nil {
		return err
	}
	n, err := c.f.Write(append(b, '\n'))
	c.size += int64(n)
	return err
}

func (c *container) rotate() error {
	c.f.Close()
	for i := keepFiles - 1; i > 1; i-- {
		from, to := fmt.Sprintf("%s.%d", c.path, i-1), fmt.Sprintf("%s.%d", c.path, i)
		if err := os.Rename(from, to); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if err := os.Rename(c.path, c.path+".1"); err != nil {
		return err
	}
	if err := c.open(); err != nil {
		return err
	}
	c.mu.Lock()
	c.files++
	c.mu.Unlock()
	c.rotated(c)
	return nil
}

// project is the containers of a Compose project "shop".
func project(t *tally, rotated func(*container)) []*container {
	all := []*container{
		{
			service: "app", image: "shop/app:2", stream: "stderr", rate: 150,
			line: func(n uint64) string {
				return stamp("[2006-01-02 15:04:05]") + fmt.Sprintf(` production.INFO: order %d placed {"total":%d.90,"ms":%d}`, 10000+n, n*7%90+5, n*13%80+9)
			},
		},
		{
			service: "web", image: "nginx:1.27", stream: "stdout", rate: 300,
			line: func(n uint64) string {
				return fmt.Sprintf(`10.0.3.%d "GET /orders/%d HTTP/1.1" 200 %d rt=0.%03d`, n*11%250+2, 10000+n/2, n*97%9000+300, n*17%180+4)
			},
		},
		{
			service: "db", image: "mariadb:10.11", stream: "stderr", rate: 100,
			line: func(n uint64) string {
				return stamp("2006-01-02 15:04:05") + fmt.Sprintf(" %d [Note] query: select * from orders where id = %d", n%40+20, 10000+n)
			},
		},
	}
	for _, c := range all {
		c.id = fmt.Sprintf("%016x%016x%016x%016x", rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64())
		c.name = "shop-" + c.service + "-1"
		c.maxSize, c.tally, c.rotated = 400<<10, t, rotated
	}
	return all
}

// stamp is the time of now as applications write it into their own lines.
func stamp(layout string) string { return time.Now().UTC().Format(layout) }
