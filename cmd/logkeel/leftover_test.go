package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/webgrip/logkeel/collectors"
	"github.com/webgrip/logkeel/outputs"
	"github.com/webgrip/logkeel/outputs/email"
	"github.com/webgrip/logkeel/outputs/fluentd"
	"github.com/webgrip/logkeel/outputs/webhook"
)

// Queues that still hold something are said to be left only where nothing in the
// configuration would empty them.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []string{
		"spool/main/00000000000000000001.seg",
		"spool/main@0123456789abcdef/00000000000000000001.seg", // of a second server
		"spool/old/00000000000000000001.seg",
		"spool/old-and-empty/done",
		"spool/email-ops/00000000000000000001.seg",
		"spool/email-old/00000000000000000001.seg",
		"spool/webhook-chat/00000000000000000001.seg",
		"spool/webhook-old/00000000000000000001.seg",
		"forward/docker/00000000000000000001.seg",
	} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("frames"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := &loaded{Config: Config{
		Collectors: collectors.Config{},
		Outputs:    outputs.Config{Fluentd: []fluentd.Config{{Name: "main"}}, Email: []email.Config{{Name: "ops"}}, Webhook: []webhook.Config{{Name: "chat"}}},
	}}
	var got []string
	for _, left := range l.leftovers(dir) {
		got = append(got, left.owner)
	}
	want := []string{"outputs.email old", "outputs.fluentd old", "outputs.webhook old", "collectors.forward docker"}
	if !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
}
