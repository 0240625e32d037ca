package statuspage

import (
	"context"
	"flag"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

var shots = flag.String("screenshots", "", "folder that pictures of the page are written to")

// browser starts a Chromium that ends with the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil && path == "" {
			path = p
		}
	}
	testenv.Need(t, "a browser (chromium)", path != "")
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", false),
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute) // t.Context is over before the clean-up
	t.Cleanup(cancel)
	ctx, end := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(end)
	ctx, stop := chromedp.NewContext(ctx)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); stop() }) // it has ended then, and writes no more
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// A look is a page and how it is looked at.
type look struct {
	name   string
	world  *world
	width  int64
	dark   bool
	script bool
}

// TestBrowser has one browser for all that needs one: to start it takes longer
// than most of what it is asked.
func TestBrowser(t *testing.T) {
	ctx := browser(t)
	t.Run("looks", func(t *testing.T) { testLooks(t, ctx) })
	t.Run("clicks", func(t *testing.T) { testClicks(t, ctx) })
	t.Run("pictures", func(t *testing.T) { testPictures(t, ctx) })
}

// testLooks opens the page in every shape: nothing is refused by the browser,
// nothing needs scrolling sideways, and nothing is asked of anybody else.
func testLooks(t *testing.T, ctx context.Context) {
	for _, l := range []look{
		{"light", busy(), 1280, false, true},
		{"dark", busy(), 1280, true, true},
		{"phone", busy(), 390, false, true},
		{"phone-dark-broken", broken(), 390, true, true},
		{"empty", &world{empty: true}, 1280, false, true},
		{"empty-phone", &world{empty: true}, 390, true, true},
		{"300", many(300), 1280, false, true},
		{"300-phone", many(300), 390, false, true},
		{"down", broken(), 1280, false, true},
		{"hostile", hostile(), 1280, false, true},
		{"hostile-phone", hostile(), 320, true, true},
		{"without-script", busy(), 1280, false, false},
	} {
		t.Run(l.name, func(t *testing.T) { l.test(t, ctx) })
	}
}

func (l *look) test(t *testing.T, ctx context.Context) {
	var asked requests
	srv := httptest.NewServer(asked.of(New(l.world.options())))
	defer srv.Close()
	ctx, complaints := tab(t, ctx)
	var (
		wide              int64
		plain             bool
		title, background string
		picture           []byte
	)
	err := chromedp.Run(ctx,
		emulation.SetScriptExecutionDisabled(!l.script),
		emulation.SetDeviceMetricsOverride(l.width, 900, 1, l.width < 700),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: pick(l.dark, "dark", "light")}}),
		chromedp.Navigate(srv.URL+"/"),
		chromedp.WaitVisible("#page"),
		chromedp.Title(&title),
		chromedp.Evaluate(`document.documentElement.scrollWidth`, &wide), // a phone's window grows with what is in it
		chromedp.Evaluate(`getComputedStyle(document.body).backgroundColor`, &background),
		chromedp.Evaluate(`document.getElementById("pause").hidden`, &plain),
		chromedp.ActionFunc(func(ctx context.Context) error {
			if *shots == "" {
				return nil // a picture takes longer than all the rest
			}
			return chromedp.FullScreenshot(&picture, 100).Do(ctx)
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	if *shots != "" {
		if err := os.WriteFile(filepath.Join(*shots, l.name+".png"), picture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if wide > l.width {
		t.Errorf("the page is %d wide and has to be scrolled sideways", wide)
	}
	if plain == l.script {
		t.Errorf("the button to pause is hidden: %v, with script %v", plain, l.script)
	}
	if !strings.HasSuffix(title, "logkeel on shop-1") {
		t.Errorf("title %q", title)
	}
	if want := pick(l.dark, "rgb(18, 21, 26)", "rgb(244, 245, 247)"); background != want {
		t.Errorf("background %s, want %s", background, want)
	}
	// On a slow machine it has renewed itself by now.
	if got := asked.all(); len(got) == 0 || slices.ContainsFunc(got, func(path string) bool { return path != "/" }) {
		t.Errorf("the page asks for %q", got)
	}
	if got := complaints(); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
}

// tab is a new one, and what the browser complains of there: what the security
// policy forbids, and exceptions.
func tab(t *testing.T, ctx context.Context) (context.Context, func() []string) {
	t.Helper()
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	var mu sync.Mutex
	var all []string
	chromedp.ListenTarget(ctx, func(ev any) {
		mu.Lock()
		defer mu.Unlock()
		switch ev := ev.(type) {
		case *log.EventEntryAdded:
			all = append(all, ev.Entry.Text)
		case *runtime.EventExceptionThrown:
			all = append(all, ev.ExceptionDetails.Error())
		}
	})
	if err := chromedp.Run(ctx); err != nil { // the tab ends with the context of this call
		t.Fatal(err)
	}
	return ctx, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// testClicks uses the page as people do.
func testClicks(t *testing.T, ctx context.Context) {
	w := many(300)
	o := w.options()
	var asked requests
	srv := httptest.NewServer(asked.of(New(o)))
	defer srv.Close()
	ctx, complaints := tab(t, ctx)
	var rows, all int
	var opened, pressed bool
	var at, button string
	const count, again = `document.querySelectorAll("#logs tbody tr").length`, `document.dispatchEvent(new Event("visibilitychange"))`
	// What the page asks for itself is there before the answer to this is.
	const later = `new Promise(r => setTimeout(r, 20)).then(() => fetch("/?later"))`
	awaited := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	run := func(what string, actions ...chromedp.Action) {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		if err := chromedp.Run(ctx, actions...); err != nil {
			t.Fatalf("%s: %v; the browser says %q", what, err, complaints())
		}
	}
	run("open", chromedp.Navigate(srv.URL+"/"), chromedp.WaitVisible("#page"), chromedp.Evaluate(count, &all))
	var focused string
	run("tab", chromedp.KeyEvent("\t"), chromedp.Evaluate(`document.activeElement.textContent + " " + getComputedStyle(document.activeElement).outlineStyle`, &focused))
	if focused != "Reload solid" {
		t.Errorf("the first that the keyboard comes to: %q", focused)
	}
	run("find", chromedp.SendKeys(`input[name=log]`, "SVC29"), chromedp.Click(`form button`), chromedp.WaitVisible(`//span[text()="10 of 300"]`), chromedp.Evaluate(count, &rows), chromedp.Location(&at))
	if all != maxLogs || rows != 10 || at != srv.URL+"/?log=SVC29" {
		t.Errorf("%d rows, then %d at %s", all, rows, at)
	}
	w.change(func() { w.firing = []agent.Alert{alert("brand-new", "critical", "shop-app-1", time.Minute, nil)} })
	run("renew", chromedp.Click("#summary summary"), chromedp.WaitVisible("#summary pre"), chromedp.Evaluate(again, nil), chromedp.WaitVisible(`//bdi[text()="brand-new"]`),
		chromedp.Evaluate(`document.getElementById("summary").open`, &opened), chromedp.Evaluate(count, &rows))
	if !opened || rows != 10 {
		t.Errorf("renewed, what was opened is open: %v, with %d rows", opened, rows)
	}
	run("pause", chromedp.Click("#pause"), chromedp.Text("#pause", &button), chromedp.Evaluate(`document.getElementById("pause").getAttribute("aria-pressed") === "true"`, &pressed))
	before := len(asked.all())
	run("paused", chromedp.Evaluate(again, nil), chromedp.Evaluate(later, nil, awaited))
	if after := len(asked.all()); button != "Go on" || !pressed || after != before+1 {
		t.Errorf("paused, %q, %v: it asked %d times more", button, pressed, after-before-1)
	}
	run("follow a link", chromedp.Click(`nav a[href="#outputs"]`), chromedp.Location(&at))
	if !strings.HasSuffix(at, "#outputs") {
		t.Errorf("at %s", at)
	}
	if got := complaints(); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
	srv.Close()
	run("gone", chromedp.Click("#pause"), chromedp.WaitVisible("#lost"))
}
