package outputs

import (
	"context"
	"strings"
)

// A Tester sends what says that it is a test through an output, as that is
// configured, without its queue: an agent that runs is not disturbed.
type Tester struct {
	Kind string // the key of the output's section, as "email"
	Name string
	To   string // what it sends through, for people: a server's address
	// Send reports of each receiver that it took the test, or why not. An error
	// is one that no single receiver was the reason for.
	Send func(ctx context.Context, report func(receiver string, err error)) error
}

// Testers are those of the outputs that tell people of alerts.
func Testers(c Config) []Tester {
	var all []Tester
	for _, ec := range c.Email {
		all = append(all, Tester{Kind: "email", Name: ec.Name, To: ec.Server, Send: ec.SendTest})
	}
	for _, wc := range c.Webhook {
		all = append(all, Tester{Kind: "webhook", Name: wc.Name, To: wc.Where(), Send: wc.SendTest})
	}
	for _, ac := range c.Alertmanager {
		all = append(all, Tester{Kind: "alertmanager", Name: ac.Name, To: strings.Join(ac.Hosts(), ", "), Send: ac.SendTest})
	}
	return all
}
