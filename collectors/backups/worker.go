package backups

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"time"
)

// A job is a file to verify.
type job struct {
	dir string
	f   *file
	sum bool
}

// verifyAll gives the worker what is to be done, instead of what was, and starts
// it where it does not run. s.mu is held.
func (s *Sampler) verifyAll(jobs []job) {
	s.jobs = jobs
	if s.working != nil || len(jobs) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.working = cancel, make(chan struct{})
	go s.work(ctx, s.working)
}

// work verifies until there is nothing more to do. Its thread is never used
// again, for its priority cannot be raised.
func (s *Sampler) work(ctx context.Context, done chan struct{}) {
	defer close(done)
	runtime.LockOSThread()
	beNice()
	v := &verifier{
		pace:        &pacer{rate: int64(s.c.Rate), cpu: s.c.MaxCPU, used: threadTime, since: time.Now(), from: threadTime()},
		maxUnpacked: int64(s.c.MaxUnpacked), read: func(n int) { s.verified.Add(uint64(n)) },
	}
	for {
		s.mu.Lock()
		if ctx.Err() != nil || len(s.jobs) == 0 {
			s.working = nil
			s.mu.Unlock()
			return
		}
		j := s.jobs[0]
		s.jobs = s.jobs[1:]
		known := s.memory.find(j.f, j.sum) != nil // it was asked for again while it was read
		s.mu.Unlock()
		if known {
			continue
		}
		found, err := v.verify(ctx, j.dir, j.f, j.sum)
		if ctx.Err() == nil {
			s.mu.Lock()
			s.learn(j.f, found, err)
			s.mu.Unlock()
		}
	}
}

// saveEvery bounds how often it is saved while many small files are verified.
const saveEvery = 10 * time.Second

// learn notes what was found in a file.
func (s *Sampler) learn(f *file, found verdict, err error) {
	delete(s.unreadable, f.path)
	switch {
	case err == nil:
		s.memory.add(f, found)
		if now := time.Now(); len(s.jobs) == 0 || now.Sub(s.savedAt) > saveEvery {
			s.saved, s.savedAt = s.memory.save(), now
		}
	case errors.Is(err, errChanged) || errors.Is(err, fs.ErrNotExist):
		// The next snapshot sees what it is now.
	default:
		t := &failure{err: err, id: f.identity(), at: time.Now()}
		if !errors.Is(err, fs.ErrPermission) { // a disk that cannot read it
			t.found = &remembered{Problem: corrupt.String(), Reason: "it cannot be read: " + shorten(err.Error(), 200)}
		}
		s.unreadable[f.path] = t
	}
}

// Close ends what goes on, and keeps what was verified. What hangs in the file
// system is left to end there.
func (s *Sampler) Close() error {
	s.mu.Lock()
	stop, working := s.stop, s.working
	s.mu.Unlock()
	if working != nil {
		stop()
		patience := time.NewTimer(5 * time.Second)
		defer patience.Stop()
		select {
		case <-working:
		case <-patience.C:
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory == nil {
		return nil
	}
	return s.memory.save()
}
