package demo

import (
	"context"
	"fmt"
	"time"
)

// introduce says at once what is real and what is not.
func (d *demo) introduce() {
	s := d.show
	s.print(s.paint(bold, "logkeel demo") + fmt.Sprintf(": the whole pipeline in %s, on this machine only, with nothing to set up\n", d.Duration))
	s.heading("What is real")
	s.item("agent", "what \"logkeel run\" runs: it follows logs through their rotation, matches rules, keeps a spool on the disk, ships by TCP, times a page, serves metrics, sends mail")
	s.item("metrics", "http://%s/metrics while this runs", d.metrics)
	s.heading("What is a stand-in, played by this process")
	s.item("logs", "of three containers of a Compose project \"shop\", in the folder and the format of Docker's json-file driver, and rotated as Docker does it. Docker is not asked, and no container of yours is read")
	s.item("Fluentd", "%s speaks the Forward protocol, and acknowledges", d.aggregator.addr)
	s.item("mail", "%s speaks SMTP with STARTTLS and wants a password; mails are shown here and go nowhere", d.mailbox.addr)
	s.item("page", "%s is the shop's health page; it has good and bad moments", d.page.url)
	s.item("files", "%s is removed at the end", d.dir)
	s.heading("What happens")
}

// A step of the script is due at that part of the duration.
type step struct {
	at float64
	do func(ctx context.Context)
}

// play goes through the script, and on where it is to be kept, until ctx is
// done.
func (d *demo) play(ctx context.Context) {
	start := time.Now()
	for _, s := range d.script() {
		due := start.Add(time.Duration(s.at * float64(d.Duration)))
		if pause(ctx, time.Until(due)) != nil {
			return
		}
		s.do(ctx)
	}
	if d.Keep {
		d.keep(ctx)
	}
}

func (d *demo) script() []step {
	app, web, db := d.containers[0], d.containers[1], d.containers[2]
	plant := func(at float64, c *container, text string) step {
		return step{at, func(context.Context) {
			if c == app {
				text = stamp("[2006-01-02 15:04:05]") + " " + text
			} else if c == db {
				text = stamp("2006-01-02 15:04:05") + " " + text
			}
			c.plant(text)
		}}
	}
	var before counts
	return []step{
		{0, func(context.Context) {
			d.show.event(blue, "logs", "%s, %s and %s write %d lines a second; each line carries a number", app.name, web.name, db.name, app.rate+web.rate+db.rate)
		}},
		plant(0.05, app, `production.ERROR: Call to a member function total() on null {"exception":"Checkout.php:88"}`),
		plant(0.09, web, `203.0.113.66 "GET /search?q=%27%20or%201=1-- HTTP/1.1" 403 162 rt=0.004`),
		plant(0.12, app, "production.WARNING: failed login for \"\x1b[2Jadmin\" from 203.0.113.66"),
		plant(0.13, app, "production.WARNING: failed login for \"root\" from 203.0.113.66"),
		plant(0.14, app, "production.WARNING: failed login for \"test\" from 203.0.113.66"),
		{0.17, d.shipped},
		{0.18, d.mood(pageSlow)},
		plant(0.22, web, `10.0.3.77 "POST /checkout HTTP/1.1" 200 812 rt=4.812`),
		{0.25, d.mood(pageDown)},
		plant(0.31, db, "118 [Warning] Aborted connection 118 to db: 'shop' user: 'shop' host: '10.0.3.5' (Got timeout reading communication packets)"),
		plant(0.34, app, "production.CRITICAL: connection to shop-db-1 failed after 3 attempts"),
		plant(0.38, db, "131 [Warning] Access denied for user 'root'@'203.0.113.66' (using password: YES)"),
		plant(0.42, app, `production.WARNING: payment declined by the bank {"order":11077}`),
		{0.45, d.shipped},
		{0.52, func(context.Context) {
			d.aggregator.stop()
			d.gone, before = time.Now(), d.tally.counts()
			d.show.event(red, "outage", "The aggregator is taken away: its port is closed, all connections are broken.")
		}},
		{0.53, d.pageRecovers},
		plant(0.55, app, "production.ERROR: cannot reach the invoice service"),
		plant(0.60, app, `production.WARNING: payment declined by the bank {"order":11623}`),
		{0.66, d.waiting},
		{0.72, func(ctx context.Context) { d.back(ctx, before) }},
		plant(0.83, web, `203.0.113.66 "GET /item?id=1%20union%20select%20password HTTP/1.1" 403 162 rt=0.005`),
		{0.90, d.shipped},
		{0.95, func(context.Context) {}},
	}
}

// shipped says how far it is.
func (d *demo) shipped(context.Context) {
	c := d.tally.counts()
	chunks, _ := d.aggregator.counts()
	d.show.event(green, "shipped", "%s of %s lines written so far have arrived, in %s chunks, each acknowledged", thousands(c.arrived), thousands(c.written), thousands(chunks))
}

func (d *demo) mood(mood int32) func(context.Context) {
	return func(context.Context) { d.page.mood.Store(mood) }
}

// pageRecovers makes the page well again, as soon as it has been told that it is down:
// a machine that is busy may take a while for that.
func (d *demo) pageRecovers(ctx context.Context) {
	limit, cancel := context.WithTimeout(ctx, d.Duration/4)
	defer cancel()
	for pause(limit, 50*time.Millisecond) == nil {
		page, err := scrape(limit, d.metrics)
		if err != nil {
			continue
		}
		if n, _ := page.sum("logkeel_alerts", `rule="PageDown"`, `state="firing"`); n > 0 {
			break
		}
	}
	d.page.mood.Store(pageFast)
}

// waiting says what has become of what nobody takes.
func (d *demo) waiting(ctx context.Context) {
	page, err := scrape(ctx, d.metrics)
	if err != nil {
		return
	}
	spooled, _ := page.sum("logkeel_spool_bytes")
	memory, _ := page.sum("logkeel_output_queue_bytes")
	d.show.event(red, "outage", "%.0f s without an aggregator: %s lines wait for it, %.0f KiB in the spool on the disk and %.0f KiB in memory. Reading, rules and metrics go on.",
		time.Since(d.gone).Seconds(), thousands(d.tally.counts().waiting), spooled/1024, memory/1024)
}

// back brings the aggregator back and waits until what it missed has arrived.
func (d *demo) back(ctx context.Context, before counts) {
	if err := d.aggregator.start(); err != nil {
		d.show.event(red, "outage", "%v", err)
		return
	}
	back := time.Now()
	missed := d.tally.counts()
	d.show.event(green, "outage", "The aggregator is back after %.1f s; the agent tries again every 5 s at the latest.", back.Sub(d.gone).Seconds())
	limit, cancel := context.WithTimeout(ctx, d.Duration/4)
	defer cancel()
	for d.tally.counts().arrived < missed.written {
		if pause(limit, 10*time.Millisecond) != nil {
			d.show.event(yellow, "outage", "%s lines have not arrived yet", thousands(d.tally.counts().waiting))
			return
		}
	}
	now := d.tally.counts()
	d.show.event(green, "outage", "All %s lines that it missed have arrived after %.1f s: lost 0, repeated %d.",
		thousands(missed.written-before.arrived), time.Since(back).Seconds(), now.repeated-before.repeated)
}

// keep goes on until ctx is done.
func (d *demo) keep(ctx context.Context) {
	d.show.event(bold, "go on", "The script is over, and all goes on until Ctrl-C. Look at http://%s/metrics, at %s and at the rules beside it.", d.metrics, d.config)
	app, web := d.containers[0], d.containers[1]
	for n := 1; pause(ctx, 5*time.Second) == nil; n++ {
		if n%2 == 0 {
			app.plant(fmt.Sprintf(`production.WARNING: payment declined by the bank {"order":%d}`, 12000+n))
			d.shipped(ctx)
		} else {
			web.plant(fmt.Sprintf(`10.0.3.77 "POST /checkout HTTP/1.1" 200 812 rt=%d.812`, n%7+1))
		}
	}
}

// slowPage is from when on a page is slow to this demo.
const slowPage = 200 * time.Millisecond

// watchPage tells how the page does, as the agent's metrics have it.
func (d *demo) watchPage(ctx context.Context) {
	const unknown, fast, slow, down = "", "fast", "slow", "down"
	last := unknown
	for pause(ctx, 250*time.Millisecond) == nil {
		page, err := scrape(ctx, d.metrics)
		if err != nil {
			continue
		}
		success, ok := page.sum("probe_success", `target="shop"`)
		total, timed := page.sum("logkeel_http_time_seconds", `target="shop"`, `point="total"`)
		if !ok || !timed {
			continue
		}
		status, _ := page.sum("probe_http_status_code", `target="shop"`)
		now, color := fast, green
		if success == 0 {
			now, color = down, red
		} else if total > slowPage.Seconds() {
			now, color = slow, yellow
		}
		if now == last {
			continue
		}
		took := time.Duration(total * float64(time.Second)).Round(time.Millisecond)
		switch {
		case now == down:
			d.show.event(color, "page", "is down: it answers %.0f. probe_success is 0", status)
		case now == slow:
			d.show.event(color, "page", "has become slow: %s", took)
		case last == unknown:
			d.show.event(color, "page", "answers %.0f in %s; it is timed each second", status, took)
		default:
			d.show.event(color, "page", "is well again: %s", took)
		}
		last = now
	}
}
