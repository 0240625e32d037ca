package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestLinksNoHeavyPackages holds what is for tests, or larger than what is used
// of it, out of the program.
func TestLinksNoHeavyPackages(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := "\n" + string(out)
	for _, heavy := range []string{
		"github.com/chromedp/", "github.com/rogpeppe/", "net/http/pprof", "testing\n",
		"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters", "google.golang.org/grpc",
		"github.com/redis/", "github.com/jackc/pgx/v5/pgxpool", "github.com/webgrip/logkeel/agent/testenv",
	} {
		if strings.Contains(linked, "\n"+heavy) {
			t.Errorf("%s is linked into the program: see go list -deps, and go mod why", heavy)
		}
	}
}
