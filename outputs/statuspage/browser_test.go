package statuspage

import (
	"context"
	"flag"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

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
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(end)
	ctx, stop := chromedp.NewContext(ctx)
	t.Cleanup(stop)
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

// TestLooks opens the page in every shape: nothing is refused by the browser,
// nothing needs scrolling sideways, and nothing is asked of anybody else.
func TestLooks(t *testing.T) {
	ctx := browser(t)
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
	var asked []string
	h := New(l.world.options())
	srv := httptest.NewServer(recorded(h, &asked))
	defer srv.Close()
	scheme := pick(l.dark, "dark", "light")
	var wide bool
	var title, background string
	var errors []string
	var picture []byte
	err := chromedp.Run(ctx,
		emulation.SetScriptExecutionDisabled(!l.script),
		emulation.SetDeviceMetricsOverride(l.width, 900, 1, l.width < 700),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.Navigate(srv.URL+"/"),
		chromedp.WaitVisible("#page"),
		chromedp.Title(&title),
		chromedp.Evaluate(`document.documentElement.scrollWidth > window.innerWidth`, &wide),
		chromedp.Evaluate(`getComputedStyle(document.body).backgroundColor`, &background),
		chromedp.Evaluate(`Array.from(document.querySelectorAll("[style]")).map(e => e.outerHTML)`, &errors),
		chromedp.FullScreenshot(&picture, 100),
	)
	if err != nil {
		t.Fatal(err)
	}
	if *shots != "" {
		if err := os.WriteFile(filepath.Join(*shots, l.name+".png"), picture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if wide {
		t.Error("the page has to be scrolled sideways")
	}
	if len(errors) > 0 {
		t.Errorf("styles that the browser refuses: %q", errors)
	}
	if !strings.Contains(title, "logkeel on shop-1") {
		t.Errorf("title %q", title)
	}
	if want := pick(l.dark, "rgb(18, 21, 26)", "rgb(244, 245, 247)"); background != want {
		t.Errorf("background %s, want %s", background, want)
	}
	for _, path := range asked {
		if path != "/" {
			t.Errorf("the page asks for %s", path)
		}
	}
}
