package notify

import (
	"encoding/json"
	"testing"
	"time"
)

// FuzzRestore wants any frames to make a state that can be told and written.
func FuzzRestore(f *testing.F) {
	f.Add(`{"alert":{"alert":{"id":"a","rev":1},"key":"k","incident":"i","since":"2026-01-01T00:00:00Z"}}`, `{"groups":[{"key":"k","incident":"i","told":1}]}`)
	f.Add(`{"told":[{"id":"a","rev":1,"over":true}],"folds":[{"id":"b","into":"a","count":3}]}`, `{"alert":{"alert":{"id":"a","rev":2},"other":true,"base":7}}`)
	f.Add(`{"groups":[{"key":"late","closed":true}],"cools":[{"key":"","for":-1}]}`, `null`)
	f.Add(`{"spent":{"at":["2026-01-01T00:00:00Z","0001-01-01T00:00:00Z"],"held":"2026-01-01T00:00:00Z","number":1}}`, `{"alert":{"alert":{"id":"a","rev":1},"key":"route x:digest"}}`)
	f.Add(`{"alert":{"alert":{"id":"a","rev":1,"rule":{"severity":"info"}},"key":"digest","since":"2026-01-01T00:00:00Z"}}`, `{"spent":{"at":null}}`)
	f.Fuzz(func(t *testing.T, one, two string) {
		opened := time.Unix(1e9, 0)
		r := newRestorer(opened)
		for _, text := range []string{one, two} {
			var fr frame
			if json.Unmarshal([]byte(text), &fr) == nil {
				fr.items()
				r.frame(&fr)
			}
		}
		s, dirty, _ := r.finish()
		if _, err := encode(dirty.frames(s)); err != nil {
			t.Fatal(err)
		}
		var c Config
		c.SetDefaults()
		c.MaxPerHour, c.Digest = 1, DigestConfig{"info", dailyAt}
		for _, g := range s.groups {
			by := &terms{config: &c, cools: s.cools, mute: inhibited, now: stamp{wall: opened}}
			g.due(by)
			if s.choose(by, -never).held && s.heldBack(by).notice.Held.Groups == 0 {
				t.Fatal("nothing is held back")
			}
			tell := g.tell(by)
			s.settle(tell, c.MaxPerHour, stamp{wall: opened}, dirty)
			if tell.notice.Kind == Resolved && len(g.entries) > 0 {
				t.Fatalf("%d alerts are told and left", len(g.entries))
			}
		}
		if _, err := encode(everything(s).frames(s)); err != nil {
			t.Fatal(err)
		}
	})
}
