package email

import (
	"log/slog"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/notify"
)

// TestRecipientsOfRoutes: a notice goes to those of its route, and who is put off
// there keeps nobody else from theirs.
func TestRecipientsOfRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeServer{rcpt: func(to string) error {
			if to == "b@shop.example" {
				return reply(451, 4, 7, 1, "later")
			}
			return nil
		}}
		o := &Output{name: "ops"}
		c := config(func(c *Config) {
			c.To = conf.Strings{"a@shop.example"}
			c.Routes = []notify.Route{{To: conf.Strings{"b@shop.example", "a@shop.example"}}, {}, {To: conf.Strings{"c@shop.example"}}}
		})
		if err := o.configure(&c, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		p, stop := f.serve()
		defer stop()
		o.sender.dial = p.dial(net.IPv4(127, 0, 0, 1))
		tell := func(id string, route int) error {
			n := notice(id, appError("a", "app", 5))
			n.Route = route
			return o.tell(t.Context(), n)
		}
		if err := tell("1", 0); err == nil {
			t.Error("one is put off, and nobody waits for it")
		}
		for i, route := range []int{2, 1, -1, 7} {
			if err := tell(string(rune('2'+i)), route); err != nil {
				t.Errorf("route %d: %v", route, err)
			}
		}
		var got [][]string
		for _, m := range f.received() {
			got = append(got, m.to)
		}
		want := [][]string{{"a@shop.example"}, {"c@shop.example"}, {"a@shop.example"}, {"a@shop.example"}, {"a@shop.example"}}
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("mails are for %v", got)
		}
		if len(o.inboxes) != 3 {
			t.Errorf("%d inboxes", len(o.inboxes))
		}
	})
}

// TestOtherKinds: a digest, and what is held back, are mails as well.
func TestOtherKinds(t *testing.T) {
	held := &notify.Held{Cap: 20, Within: time.Hour, Until: clock(59, 0), Groups: 3, Alerts: 4, Findings: 70}
	for _, n := range []*notify.Notice{
		{ID: "1", Thread: "1", Kind: notify.Digest, Alerts: []agent.Alert{appError("a", "app", 5)}},
		{ID: "1", Thread: "1", Kind: notify.HeldBack, Held: held, Alerts: []agent.Alert{appError("a", "app", 5)}},
		{ID: "1", Thread: "1", Kind: notify.HeldBack, Held: held},
		{ID: "1", Thread: "1", Kind: notify.HeldBack},
	} {
		if _, err := newComposer(t).compose(n, clock(59, 0)); err != nil {
			t.Errorf("%s: %v", n.Kind, err)
		}
	}
}
