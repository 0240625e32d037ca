package prometheus

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// meterRuntime yields what programs in Go usually say of themselves, under the names
// that they have everywhere.
func meterRuntime(yield func(agent.Sample)) {
	gauge := func(name, help string, v float64) { yield(agent.Sample{Name: name, Help: help, Value: v}) }
	counter := func(name, help string, v float64) {
		yield(agent.Sample{Name: name, Help: help, Type: agent.Counter, Value: v})
	}
	threads, _ := runtime.ThreadCreateProfile(nil)
	yield(agent.Sample{Name: "go_info", Help: "The version of Go; always 1.", Labels: []agent.Label{{Name: "version", Value: runtime.Version()}}, Value: 1})
	gauge("go_goroutines", "Goroutines there are.", float64(runtime.NumGoroutine()))
	gauge("go_threads", "Threads of the system that were made.", float64(threads))
	gauge("go_sched_gomaxprocs_threads", "GOMAXPROCS: threads that run Go code at a time.", float64(runtime.GOMAXPROCS(0)))
	limits := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
	metrics.Read(limits)
	if percent := limits[0].Value; percent.Kind() == metrics.KindUint64 {
		gauge("go_gc_gogc_percent", "GOGC: how much the heap grows between collections.", float64(percent.Uint64()))
	}
	if limit := limits[1].Value; limit.Kind() == metrics.KindUint64 {
		gauge("go_gc_gomemlimit_bytes", "GOMEMLIMIT: memory that the runtime tries to stay below.", float64(limit.Uint64()))
	}

	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	gauge("go_memstats_alloc_bytes", "The heap's objects that are in use, or not collected yet.", float64(m.Alloc))
	counter("go_memstats_alloc_bytes_total", "All that was allocated in the heap.", float64(m.TotalAlloc))
	gauge("go_memstats_sys_bytes", "Memory obtained from the system.", float64(m.Sys))
	counter("go_memstats_mallocs_total", "Objects that were allocated.", float64(m.Mallocs))
	counter("go_memstats_frees_total", "Objects that were freed.", float64(m.Frees))
	gauge("go_memstats_heap_alloc_bytes", "The same as go_memstats_alloc_bytes.", float64(m.HeapAlloc))
	gauge("go_memstats_heap_sys_bytes", "The heap, with what was given back.", float64(m.HeapSys))
	gauge("go_memstats_heap_idle_bytes", "The heap's spans without objects, with those that were given back.", float64(m.HeapIdle))
	gauge("go_memstats_heap_inuse_bytes", "The heap's spans with objects.", float64(m.HeapInuse))
	gauge("go_memstats_heap_released_bytes", "What of the heap was given back to the system.", float64(m.HeapReleased))
	gauge("go_memstats_heap_objects", "Objects in the heap.", float64(m.HeapObjects))
	gauge("go_memstats_stack_inuse_bytes", "Stacks of goroutines.", float64(m.StackInuse))
	gauge("go_memstats_stack_sys_bytes", "Stacks of goroutines and of threads.", float64(m.StackSys))
	gauge("go_memstats_mspan_inuse_bytes", "What describes spans, in use.", float64(m.MSpanInuse))
	gauge("go_memstats_mspan_sys_bytes", "What describes spans.", float64(m.MSpanSys))
	gauge("go_memstats_mcache_inuse_bytes", "What describes the caches of processors, in use.", float64(m.MCacheInuse))
	gauge("go_memstats_mcache_sys_bytes", "What describes the caches of processors.", float64(m.MCacheSys))
	gauge("go_memstats_buck_hash_sys_bytes", "Memory for profiles.", float64(m.BuckHashSys))
	gauge("go_memstats_gc_sys_bytes", "Memory for collecting garbage.", float64(m.GCSys))
	gauge("go_memstats_other_sys_bytes", "Other memory of the runtime.", float64(m.OtherSys))
	gauge("go_memstats_next_gc_bytes", "The size of the heap at which garbage is collected next.", float64(m.NextGC))
	gauge("go_memstats_last_gc_time_seconds", "When garbage was collected last, since 1970.", float64(m.LastGC)/1e9)
}

// pauses writes go_gc_duration_seconds, which is a summary, the only one there is.
func (p *page) pauses() {
	const name = "go_gc_duration_seconds"
	stats := debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}
	debug.ReadGCStats(&stats)
	p.buf = append(p.buf[:0], "# HELP "+name+" How long the program stood still for a collection of garbage.\n# TYPE "+name+" summary\n"...)
	_, _ = p.out.Write(p.buf)
	label := agent.Label{Name: "quantile"}
	s := agent.Sample{Name: name, Labels: []agent.Label{label}}
	for i, d := range stats.PauseQuantiles {
		s.Labels[0].Value = strconv.FormatFloat(float64(i)/4, 'g', -1, 64)
		p.line(&s, "", "", d.Seconds())
	}
	s.Labels = nil
	p.line(&s, "_sum", "", stats.PauseTotal.Seconds())
	p.line(&s, "_count", "", math.Max(0, float64(stats.NumGC)))
}
