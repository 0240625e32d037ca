package collectors

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/webgrip/logkeel/collectors/docker"
	"github.com/webgrip/logkeel/collectors/tail"
)

// Pasts are the logs that lie in files and that the collectors would read now. What
// cannot be read at all is in errs, and what is not in files in elsewhere, for
// people. Relative paths are relative to baseDir.
func Pasts(c Config, baseDir string, log *slog.Logger) (all []tail.Past, elsewhere []string, errs []error) {
	if d := c.Docker; d != nil {
		pasts, without, err := d.pasts(baseDir, log)
		all = append(all, pasts...)
		if err != nil {
			errs = append(errs, err)
		}
		if without > 0 {
			elsewhere = append(elsewhere, fmt.Sprintf("containers without a log file of the json-file driver: %d; pipe theirs in: docker compose logs --no-color --timestamps | logkeel scan -", without))
		}
	}
	for i := range c.Files {
		all = append(all, c.Files[i].tail(baseDir, log).Pasts()...)
	}
	for i := range c.Forward {
		elsewhere = append(elsewhere, fmt.Sprintf("what clients sent to %s is not kept here", c.Forward[i].Name))
	}
	return all, elsewhere, errs
}

// pasts are the containers' logs. without is how many wanted containers have none
// that is a file.
func (d *Docker) pasts(baseDir string, log *slog.Logger) (all []tail.Past, without int, err error) {
	root := absolute(baseDir, []string{d.Root})[0]
	dir := filepath.Join(root, "containers")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("%w; set collectors.docker.root to the engine's data folder, or pipe the logs in: docker compose logs --no-color --timestamps | logkeel scan -", err)
	} else if err != nil {
		return nil, 0, err
	}
	dc := d.Config
	dc.Root = root
	engine, err := docker.New(dc, log)
	if err != nil {
		return nil, 0, err
	}
	o := tail.Options{
		Name: "docker", Globs: []string{filepath.Join(dir, "*", "*-json.log")}, Docker: true, Labeler: engine, Format: d.Multiline.formats(log),
	}
	all = tail.New(options(d.Reading, log, o)).Pasts()
	has := map[string]bool{}
	for _, p := range all {
		has[p.Source.Container.ID] = true
	}
	for _, e := range entries {
		if c, ok := engine.Container(e.Name()); ok && !has[c.ID] && engine.Wanted(c) {
			without++
		}
	}
	return all, without, nil
}
