package statuspage

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	chrome "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var pictures = flag.String("pictures", "", "folder that the README's pictures are written to")

const mostPicture = 150_000 // bytes

// testPictures makes the README's pictures where they are asked for, and holds
// those that are there to their size.
func testPictures(t *testing.T, ctx context.Context) {
	if *pictures != "" {
		makePictures(t, ctx)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pipeline.svg", "status-light.png", "status-dark.png", "mail.png", "scan.svg"} {
		if !bytes.Contains(readme, []byte("docs/images/"+name)) {
			t.Errorf("the README does not show %s", name)
		}
		if info, err := os.Stat(filepath.Join("../../docs/images", name)); err != nil || info.Size() > mostPicture {
			t.Errorf("%s: %v, larger than %d bytes: %v", name, err, mostPicture, err == nil)
		}
	}
}

func makePictures(t *testing.T, ctx context.Context) {
	mail, err := os.ReadFile("../email/testdata/incident.html")
	if err != nil {
		t.Fatal(err)
	}
	mailed := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(mail)
	})
	for _, p := range []struct {
		name          string
		of            http.Handler
		width, height int64
		dark          bool
	}{
		{"status-light.png", New(busy().options()), 1120, 1020, false},
		{"status-dark.png", New(busy().options()), 1120, 1020, true},
		{"mail.png", mailed, 760, 872, false},
	} {
		write(t, p.name, small(t, photo(t, ctx, p.of, p.width, p.height, p.dark)))
	}
	write(t, "scan.svg", terminal(scanned(t)))
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(*pictures, name), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// photo is what a window of that size shows of a page.
func photo(t *testing.T, ctx context.Context, of http.Handler, width, height int64, dark bool) (picture []byte) {
	srv := httptest.NewServer(of)
	defer srv.Close()
	ctx, _ = tab(t, ctx)
	err := chromedp.Run(ctx,
		emulation.SetDeviceMetricsOverride(width, height, 1, false),
		emulation.SetScrollbarsHidden(true),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: pick(dark, "dark", "light")}}),
		chromedp.Navigate(srv.URL+"/"),
		chromedp.ActionFunc(func(ctx context.Context) (err error) {
			picture, err = chrome.CaptureScreenshot().WithFormat(chrome.CaptureScreenshotFormatPng).Do(ctx)
			return err
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// small is the picture in 256 colours, those that it has most of.
func small(t *testing.T, picture []byte) []byte {
	from, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	n := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(from.At(x, y)).(color.RGBA) }
	size := from.Bounds()
	for y := range size.Dy() {
		for x := range size.Dx() {
			n[at(x, y)]++
		}
	}
	var all []color.RGBA
	for c := range n {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.RGBA) int {
		return cmp.Or(n[b]-n[a], cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var palette color.Palette
	for _, c := range all[:min(256, len(all))] {
		palette = append(palette, c)
	}
	nearest := map[color.RGBA]uint8{}
	for _, c := range all {
		nearest[c] = uint8(palette.Index(c))
	}
	to := image.NewPaletted(size, palette)
	for y := range size.Dy() {
		for x := range size.Dx() {
			to.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, to); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// scanned is what somebody types, and what logkeel prints.
func scanned(t *testing.T) string {
	log, err := os.Open("testdata/pictures/shop.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.CommandContext(t.Context(), "go", "run", "../../cmd/logkeel", "scan", "--rules", "testdata/pictures/shop.yaml", "-")
	cmd.Stdin, cmd.Env = log, append(os.Environ(), "TZ=UTC", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return "$ docker compose logs --no-color --timestamps | logkeel scan --rules rules/shop.yaml -\n" + string(out)
}

// terminal draws text as a terminal has it.
func terminal(text string) []byte {
	const columns, line, char, edge = 120, 18, 7.25, 16
	var lines []string
	for l := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		for len(l) > columns {
			lines, l = append(lines, l[:columns]), l[columns:]
		}
		lines = append(lines, l)
	}
	width, height := int(columns*char)+2*edge, len(lines)*line+2*edge
	var b bytes.Buffer
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n", width, height, width, height)
	b.WriteString("<style>rect{fill:#12151a}text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;fill:#e6e9ed;white-space:pre}.typed{fill:#57c785}</style>\n")
	fmt.Fprintf(&b, "<rect width=\"%d\" height=\"%d\" rx=\"8\"/>\n", width, height)
	for i, l := range lines {
		if l != "" {
			fmt.Fprintf(&b, "<text%s x=\"%d\" y=\"%d\" xml:space=\"preserve\" textLength=\"%.1f\" lengthAdjust=\"spacingAndGlyphs\">%s</text>\n",
				pick(i == 0, ` class="typed"`, ""), edge, edge+13+i*line, float64(len(l))*char, html.EscapeString(l))
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
