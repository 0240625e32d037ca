package docker

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// inspected is what is made of an answer with these members.
func inspected(t *testing.T, config, host, more string) audit {
	t.Helper()
	body := `{"Id":"` + id("1") + `","Name":"/web","Created":"2025-01-09T14:30:00.5Z","Image":"sha256:abc","Config":{"Image":"box:1"` + config + `},"HostConfig":{` + host + `}` + more + `}`
	d, err := api(t, map[string]http.HandlerFunc{"/json": says(body)}).Inspect(t.Context(), id("1"))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return d.audit
}

func TestAudit(t *testing.T) {
	got := inspected(t,
		`,"User":"1000:1000","StopSignal":"SIGQUIT","ExposedPorts":{"80/tcp":{},"9000/tcp":{}}`,
		`"NetworkMode":"shop_default","PidMode":"host","IpcMode":"host","Privileged":true,"ReadonlyRootfs":true,"PublishAllPorts":true,
		"Memory":1000,"MemorySwap":2000,"MemoryReservation":500,"NanoCpus":1500000000,"CapAdd":["CAP_SYS_ADMIN","net_admin"],
		"RestartPolicy":{"Name":"always"},"SecurityOpt":["seccomp:unconfined"],
		"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"},{"HostIp":"::","HostPort":"81"},{"HostIp":"0.0.0.0","HostPort":"81"}]},
		"LogConfig":{"Type":"json-file","Config":{"max-size":"10m","max-file":"3"}}`,
		`,"Mounts":[{"Type":"bind","Source":"/var/run/docker.sock","RW":false},{"Type":"volume","Source":"/var/lib/docker/volumes/x/_data","RW":true},{"Type":"bind","Source":"/etc/","RW":true}],
		"NetworkSettings":{"Networks":{"web":{},"back":{}}}`)
	want := audit{
		created: time.Date(2025, 1, 9, 14, 30, 0, 5e8, time.UTC), image: "sha256:abc", ref: "box:1", stop: "SIGQUIT",
		user: "1000:1000", networkMode: "shop_default", networks: []string{"back", "web"}, ports: []string{"127.0.0.1:8080->80/tcp", "->9000/tcp", "81->80/tcp"},
		restart: "always", capAdd: []string{"NET_ADMIN", "SYS_ADMIN"}, mounts: []hostMount{{"/var/run/docker.sock", false}, {"/etc", true}},
		privileged: true, hostPID: true, hostIPC: true, readOnly: true, unconfined: true, everywhere: true,
		log:    logSettings{"json-file", "10m", "3"},
		limits: limits{memory: 1000, swap: 2000, reservation: 500, cpuPeriod: 100_000, cpuQuota: 150_000, cpuShares: 1024},
	}
	slices.Sort(want.ports)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	m := measured{container: &agent.Container{Name: "web"}, audit: got}
	s := snapshot{}
	m.samples(&past{}, func(x agent.Sample) {
		values := []string{}
		for _, l := range x.Labels {
			values = append(values, l.Value)
		}
		s[x.Name+"{"+strings.Join(values, "|")+"}"] = x.Value
	})
	s.want(t, "samples", snapshot{
		"logkeel_container_info{web|||1000:1000|true|shop_default|back,web|->9000/tcp,127.0.0.1:8080->80/tcp,81->80/tcp|NET_ADMIN,SYS_ADMIN|always|json-file}": 1,
		"logkeel_container_log_unbounded{web||}":        0,
		"logkeel_container_log_files{web||}":            3,
		"logkeel_container_log_file_bytes{web||}":       10e6,
		"logkeel_container_risk{web|||root}":            0,
		"logkeel_container_risk{web|||privileged}":      1,
		"logkeel_container_risk{web|||engine_socket}":   1,
		"logkeel_container_risk{web|||host_path}":       1,
		"logkeel_container_risk{web|||host_network}":    0,
		"logkeel_container_risk{web|||host_pid}":        1,
		"logkeel_container_risk{web|||host_ipc}":        1,
		"logkeel_container_risk{web|||capabilities}":    1,
		"logkeel_container_risk{web|||unconfined}":      1,
		"logkeel_container_risk{web|||published}":       1,
		"logkeel_container_risk{web|||writable_root}":   0,
		"logkeel_container_risk{web|||no_memory_limit}": 0,
	})
}

// TestRisks has, for each risk, what nearly is one.
func TestRisks(t *testing.T) {
	const calm = `"Memory":1,"ReadonlyRootfs":true`
	bind := func(source, rw string) string {
		return `,"Mounts":[{"Type":"bind","Source":"` + source + `","RW":` + rw + `}]`
	}
	for _, c := range []struct{ config, host, more, want string }{
		{want: "root writable_root no_memory_limit"},
		{`,"User":"0"`, calm, ``, "root"},
		{`,"User":"root:root"`, calm, ``, "root"},
		{`,"User":"00:1000"`, calm, ``, "root"},
		{`,"User":"www-data:0"`, calm, ``, ""},
		{`,"User":"1000"`, `"Memory":1`, ``, "writable_root"},
		{`,"User":"1000"`, `"ReadonlyRootfs":true`, ``, "no_memory_limit"},
		{`,"User":"1000"`, calm + `,"NetworkMode":"host","PortBindings":{"80/tcp":[{"HostPort":"80"}]}`, ``, "host_network"},
		{`,"User":"1000"`, calm + `,"PortBindings":{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"80"}]}`, ``, ""},
		{`,"User":"1000"`, calm + `,"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"80"}]}`, ``, "published"},
		{`,"User":"1000"`, calm + `,"PidMode":"container:x","IpcMode":"private"`, ``, ""},
		{`,"User":"1000"`, calm + `,"CapAdd":["NET_BIND_SERVICE"]`, ``, ""},
		{`,"User":"1000"`, calm + `,"CapAdd":["all"]`, ``, "capabilities"},
		{`,"User":"1000"`, calm + `,"SecurityOpt":["no-new-privileges","apparmor=unconfined"]`, ``, "unconfined"},
		{`,"User":"1000"`, calm + `,"SecurityOpt":["no-new-privileges"]`, ``, ""},
		{`,"User":"1000"`, calm, bind("/srv/docker.sock", "false"), "engine_socket"},
		{`,"User":"1000"`, calm, bind("/run/containerd/containerd.sock", "false"), "engine_socket"},
		{`,"User":"1000"`, calm, bind("/var/run", "false"), "engine_socket"},
		{`,"User":"1000"`, calm, bind("/srv/docker.sock.d/x", "true"), ""},
		{`,"User":"1000"`, calm, bind("/etc/localtime", "false"), ""},
		{`,"User":"1000"`, calm, bind("/etc", "false"), ""},
		{`,"User":"1000"`, calm, bind("/etc", "true"), "host_path"},
		{`,"User":"1000"`, calm, bind("/", "true"), "engine_socket host_path"},
	} {
		a := inspected(t, c.config, c.host, c.more)
		var got []string
		for _, r := range risks() {
			if r.of(&a) {
				got = append(got, r.name)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s %s %s: %q, want %q", c.config, c.host, c.more, s, c.want)
		}
	}
}

func TestLogSettings(t *testing.T) {
	for _, c := range []struct {
		log       logSettings
		unbounded bool
		files     int
		bytes     float64
	}{
		{logSettings{"json-file", "", ""}, true, 0, 0},
		{logSettings{"json-file", "-1", "3"}, true, 0, 0},
		{logSettings{"json-file", "", "3"}, true, 0, 0},
		{logSettings{"json-file", "10m", ""}, false, 1, 10e6},
		{logSettings{"json-file", "1.5GB", "5"}, false, 5, 1.5e9},
		{logSettings{"json-file", "100", "2"}, false, 2, 100},
		{logSettings{"json-file", "10kib", "x"}, false, 0, 0},
		{logSettings{"local", "", ""}, false, 5, 20e6},
		{logSettings{"local", "1m", "2"}, false, 2, 1e6},
		{logSettings{"journald", "", ""}, false, 0, 0},
		{logSettings{"none", "", ""}, false, 0, 0},
	} {
		n, _ := c.log.files()
		b, _ := c.log.bytes()
		if c.log.unbounded() != c.unbounded || n != c.files || b != c.bytes {
			t.Errorf("%+v: %v, %d files of %v", c.log, c.log.unbounded(), n, b)
		}
	}
	for _, bad := range []string{"m", "x", "-1m", "1e300g", "1mm", "NaN", "1 2"} {
		if n, ok := humanSize(bad); ok {
			t.Errorf("%q is %v", bad, n)
		}
	}
}

func TestLabelsThatListAreBounded(t *testing.T) {
	long := slices.Repeat([]string{"häuser"}, 100)
	if s := listing(long); len(s) > maxAuditLabel || !strings.HasSuffix(s, "…") || strings.ContainsRune(s, '\uFFFD') {
		t.Errorf("%d bytes: %s", len(s), s)
	}
	if s := listing(long[:3]); s != "häuser,häuser,häuser" {
		t.Error(s)
	}
}
