package doctor

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

func checkup(kind string, look func(ctx context.Context, report func(agent.Diagnosis))) agent.Checkup {
	return agent.Checkup{Part: "collector", Kind: kind, Look: look}
}

// A part that hangs, one that panics and one that never ends to report keep nobody
// else waiting, and are said.
func TestPartsThatMisbehave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		all := []agent.Checkup{
			checkup("hangs", func(_ context.Context, report func(agent.Diagnosis)) {
				report(agent.Diagnosis{What: "begun"})
				<-release
				report(agent.Diagnosis{Health: agent.Failed, What: "too late"})
			}),
			checkup("panics", func(context.Context, func(agent.Diagnosis)) { panic("no") }),
			checkup("talks", func(_ context.Context, report func(agent.Diagnosis)) {
				for range 10 * maxDiagnoses {
					report(agent.Diagnosis{What: "again"})
				}
			}),
			checkup("silent", func(context.Context, func(agent.Diagnosis)) {}),
			checkup("well", func(ctx context.Context, report func(agent.Diagnosis)) {
				<-ctx.Done() // it heeds its time
				report(agent.Diagnosis{What: "in time"})
				report(agent.Diagnosis{Health: agent.Warned, Cause: "w", What: "worse"})
			}),
		}
		all[4].Timeout = time.Second
		for range 2 * atOnce {
			all = append(all, checkup("many", func(_ context.Context, report func(agent.Diagnosis)) { report(agent.Diagnosis{What: "one of many"}) }))
		}
		begun := time.Now()
		waited, last := 0, ""
		parts := Run(t.Context(), all, 10*time.Second, func(titles []string) {
			waited++
			last = strings.Join(titles, " ")
		})
		if took := time.Since(begun); took != 10*time.Second+grace || waited != len(all) || last != "hangs" {
			t.Errorf("it took %s, and was told %d times of what was open, in the end of %s", took, waited, last)
		}
		close(release)
		synctest.Wait()
		for i, want := range []string{"timeout", "panic", "", "nothing", "w"} {
			if got := parts[i].Diagnoses[0].Cause; got != want {
				t.Errorf("%s: %q, want %q", parts[i].Kind, got, want)
			}
		}
		if n := len(parts[0].Diagnoses); n != 2 {
			t.Errorf("%d findings of the one that hangs", n)
		}
		if n := len(parts[2].Diagnoses); n != maxDiagnoses {
			t.Errorf("%d findings of the one that talks", n)
		}
		if h := parts[4].Health(); h != agent.Warned || Worst(parts) != agent.Failed {
			t.Errorf("%v, %v", h, Worst(parts))
		}
	})
}

// Who is interrupted waits for nobody.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release := make(chan struct{})
		all := []agent.Checkup{checkup("hangs", func(context.Context, func(agent.Diagnosis)) { <-release })}
		time.AfterFunc(time.Second, cancel)
		begun := time.Now()
		if parts := Run(ctx, all, time.Minute, func([]string) {}); parts != nil || time.Since(begun) != time.Second {
			t.Errorf("%v after %s", parts, time.Since(begun))
		}
		close(release)
		time.Sleep(time.Minute)
	})
}

func TestPrint(t *testing.T) {
	parts := []Part{
		{agent.Checkup{Part: "collector", Kind: "mysql", Name: "db\x1b[2J"}, []agent.Diagnosis{{Health: agent.Failed, Cause: "down", What: "a\nb", Why: "c\x1b[31m", Do: "d\r"}, {What: "e"}}},
		{agent.Checkup{Part: "output", Kind: "prometheus"}, []agent.Diagnosis{{Health: agent.Warned, What: "f"}}},
		{agent.Checkup{Part: "output", Kind: "email", Name: "ops"}, []agent.Diagnosis{{Health: agent.Known, What: "g"}}},
	}
	var b strings.Builder
	if err := Print(&b, parts, func(_ agent.Health, text string) string { return text }); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\r") {
		t.Errorf("%q", b.String())
	}
	if !strings.HasSuffix(b.String(), "\n\n1 of 3 parts well, 1 with warnings, 1 failed\n") {
		t.Errorf("it ends\n%s", b.String())
	}
	b.Reset()
	if err := PrintJSON(&b, parts); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Health string
		Parts  []struct{ Kind, Health string }
	}
	if err := json.Unmarshal([]byte(b.String()), &doc); err != nil || doc.Health != "failed" || len(doc.Parts) != 3 || doc.Parts[2].Health != "info" {
		t.Errorf("%v %+v", err, doc)
	}
}
