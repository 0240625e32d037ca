package fluentd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// load reads a section as it stands in a configuration and checks it.
func load(text string) (Config, error) {
	var c struct {
		Fluentd []Config `yaml:"fluentd"`
	}
	text = "fluentd:\n  - " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
	d, err := conf.Decode("agent.yaml", []byte(text), &c, conf.Options{})
	if err != nil {
		return Config{}, err
	}
	return c.Fluentd[0], c.Fluentd[0].Check(d, "fluentd[0]")
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	const good = "name: main\naddress: 127.0.0.1:24224\n"
	tests := []struct{ section, want string }{
		{good, ``},
		{"name: main\naddress: unix:///run/fluentd.sock", ``},
		{"name: main\naddress: '[::1]:24224'", ``},
		{good + "tag: '{{.Project}}.{{.Service}}'", ``},
		{good + "tag: '{{.Service}}'", ``},
		{good + "tag: '{{slice .ID 0 6}}'", ``},
		{good + "shared_key: k\nusername: u\npassword: p", ``},
		{good + "tls:", ``},
		{good + "tls: {insecure_skip_verify: true}", ``},
		{"address: 127.0.0.1:24224", `agent.yaml:2: fluentd[0].name: "" is no name; give it a name of letters, digits, - and _; its spool and metrics are called by it`},
		{"name: ../x\naddress: 127.0.0.1:24224", `agent.yaml:2: fluentd[0].name: "../x" is no name; give it a name of letters, digits, - and _; its spool and metrics are called by it`},
		{"name: main", `agent.yaml:2: fluentd[0].address: "" is no host:port; write it as 127.0.0.1:24224 or unix:///run/fluentd.sock`},
		{"name: main\ntls:", `agent.yaml:2: fluentd[0].address: "" is no host:port; write it as 127.0.0.1:24224 or unix:///run/fluentd.sock`},
		{"name: main\naddress: fluentd", `agent.yaml:3: fluentd[0].address: "fluentd" is no host:port; write it as 127.0.0.1:24224 or unix:///run/fluentd.sock`},
		{"name: main\naddress: :24224", `agent.yaml:3: fluentd[0].address: ":24224" is no host:port; write it as 127.0.0.1:24224 or unix:///run/fluentd.sock`},
		{"name: main\naddress: host:99999", `agent.yaml:3: fluentd[0].address: "99999" is no port; write it as 127.0.0.1:24224 or unix:///run/fluentd.sock`},
		{"name: main\naddress: host:0", `agent.yaml:3: fluentd[0].address: "0" is no port; write it as 127.0.0.1:24224 or unix:///run/fluentd.sock`},
		{"name: main\naddress: unix://run/f.sock", `agent.yaml:3: fluentd[0].address: "unix://run/f.sock" is no path of a socket; write it as 127.0.0.1:24224 or unix:///run/fluentd.sock`},
		{good + "records: some", `agent.yaml:4: fluentd[0].records: "some" is neither all nor flagged; write all or flagged`},
		{good + "tag: ''", `agent.yaml:4: fluentd[0].tag: the tag is empty; fields are .Source .Name .Tag .ID .FullID .ImageName .Project .Service`},
		{good + "tag: '{{.Nope}}'", `agent.yaml:4: fluentd[0].tag: <.Nope>: can't evaluate field Nope; fields are .Source .Name .Tag .ID .FullID .ImageName .Project .Service`},
		{good + "tag: '{{.Name'", `agent.yaml:4: fluentd[0].tag: unclosed action; fields are .Source .Name .Tag .ID .FullID .ImageName .Project .Service`},
		{good + "labels: [team, '']", `agent.yaml:4: fluentd[0].labels: a label without a name; write the container labels' full names`},
		{good + "buffer: 1KiB", `agent.yaml:4: fluentd[0].buffer: 1KiB is out of range; write 64KiB to 1GiB`},
		{good + "buffer: 2GiB", `agent.yaml:4: fluentd[0].buffer: 2GiB is out of range; write 64KiB to 1GiB`},
		{good + "spool:\n  max_size: 1MiB", `agent.yaml:5: fluentd[0].spool.max_size: 1MiB is too small; write 32MiB or more`},
		{good + "spool:\n  after: 1ms", `agent.yaml:5: fluentd[0].spool.after: 1ms is out of range; write 100ms to 1m`},
		{good + "spool:\n  after: 1h", `agent.yaml:5: fluentd[0].spool.after: 1h is out of range; write 100ms to 1m`},
		{good + "compress: gzip", ``},
		{good + "compress: zstd", `agent.yaml:4: fluentd[0].compress: "zstd" is neither none nor gzip; write none or gzip`},
		{good + "spool:\n  when_full: block", ``},
		{good + "spool:\n  when_full: stop", `agent.yaml:5: fluentd[0].spool.when_full: "stop" is neither drop_oldest nor block; write drop_oldest or block`},
		{good + "ack_timeout: 0", `agent.yaml:4: fluentd[0].ack_timeout: 0s is out of range; write 100ms to 10m`},
		{good + "connect_timeout: 1h", `agent.yaml:4: fluentd[0].connect_timeout: 1h is out of range; write 100ms to 10m`},
		{good + "username: u", `agent.yaml:4: fluentd[0].username: a user without a shared key; set shared_key or shared_key_file as well: the protocol has users only behind a shared key`},
		{good + "shared_key: k\npassword: p", `agent.yaml:5: fluentd[0].password: a password without a user; set username as well, or leave the password out`},
		{good + "tls:\n  ca_file: " + dir + "/none.pem", `agent.yaml:4: fluentd[0].tls: ca_file: open ` + dir + `/none.pem: no such file or directory; name PEM files that this user can read`},
		{good + "tls:\n  ca_file: " + empty, `agent.yaml:4: fluentd[0].tls: ca_file: no certificate in ` + empty + `; name PEM files that this user can read`},
		{good + "tls:\n  cert_file: " + empty, `agent.yaml:4: fluentd[0].tls: cert_file and key_file belong together; name PEM files that this user can read`},
		{good + "tls:\n  cert_file: " + empty + "\n  key_file: " + empty, `agent.yaml:4: fluentd[0].tls: cert_file: tls: failed to find any PEM data in certificate input; name PEM files that this user can read`},
		{"name: main\naddress: unix:///run/f.sock\ntls:", `agent.yaml:4: fluentd[0].tls: a unix socket has no host name to verify; set server_name to the name in the server's certificate`},
		{"name: main\nservers:\n  - address: a:1\n  - {address: b:1, weight: 100, standby: true, shared_key: k, username: u, password: p}", ``},
		{"name: main\nservers: [{address: 'a:1', server_name: a.example}]\ntls:", ``},
		{"name: main\nservers: [{address: unix:///f.sock, server_name: a.example}]\ntls:", ``},
		{"name: main\nservers: []", `agent.yaml:2: fluentd[0].address: "" is no host:port; write it as 127.0.0.1:24224 or unix:///run/fluentd.sock`},
		{good + "servers: [{address: 'a:1'}]", `agent.yaml:4: fluentd[0].servers: address and servers are both there; name the server of address among them, and leave address out`},
		{"name: main\nservers: [{weight: 1}]", `agent.yaml:3: fluentd[0].servers[0].address: "" is no host:port; write it as 127.0.0.1:24224 or unix:///run/fluentd.sock`},
		{"name: main\nservers:\n  - address: a:1\n  - address: a:1", `agent.yaml:5: fluentd[0].servers[1].address: a:1 is there twice; name each server once; weight says how much it gets`},
		{"name: main\nservers: [{address: 'a:1', weight: 0}]", `agent.yaml:3: fluentd[0].servers[0].weight: 0 is out of range; write 1 to 100; standby: true for a server that is to get nothing while others work`},
		{"name: main\nservers: [{address: 'a:1', standby: true}]", `agent.yaml:3: fluentd[0].servers: all servers are on standby; leave standby out for one at least`},
		{"name: main\nservers: [{address: 'a:1', username: u}]", `agent.yaml:3: fluentd[0].servers[0].username: a user without a shared key; set shared_key or shared_key_file as well: the protocol has users only behind a shared key`},
		{"name: main\nservers: [{address: 'a:1', password: p}]", `agent.yaml:3: fluentd[0].servers[0].password: a password without a user; set username as well, or leave the password out`},
		{"name: main\nservers: [{address: 'a:1', server_name: x}]", `agent.yaml:3: fluentd[0].servers[0].server_name: a name to be verified without tls; set tls as well, or leave it out`},
		{"name: main\nservers: [{address: unix:///f.sock}]\ntls:", `agent.yaml:4: fluentd[0].tls: a unix socket has no host name to verify; set server_name to the name in the server's certificate`},
		{"name: main\nservers: [{address: 'a:1'}, {address: 'b:1'}]\nbuffer: 64KiB", `agent.yaml:4: fluentd[0].buffer: 64KiB is out of range; write 128KiB to 1GiB`},
		{"name: main\nservers: [{address: 'a:1'}, {address: 'b:1'}]\nspool: {max_size: 32MiB}", `agent.yaml:4: fluentd[0].spool.max_size: 32MiB is too small; write 64MiB or more`},
		{"name: main\nservers: [" + strings.Repeat("{address: 'a:1'},", 17) + "]", "agent.yaml:3: fluentd[0].servers: 17 servers are too many; name 16 at most"},
		{
			good + "ack_timeout: 1ms\nconnect_timeout: 1ms", "agent.yaml:4: fluentd[0].ack_timeout: 1ms is out of range; write 100ms to 10m\n" +
				"agent.yaml:5: fluentd[0].connect_timeout: 1ms is out of range; write 100ms to 10m",
		},
		{good + "adress: x", `agent.yaml:4: fluentd[0].adress: unknown key "adress"; did you mean "address"? (keys here: name, address, servers, records, tag, labels, identity, compress, ack, ack_timeout, connect_timeout, buffer, spool, shared_key, shared_key_file, username, password, password_file, tls)`},
	}
	for _, tt := range tests {
		_, err := load(tt.section)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s\n gives %s\n want  %s", tt.section, got, tt.want)
		}
	}
}

// TestSecretsNeverPrint, whatever prints the configuration or its errors.
func TestSecretsNeverPrint(t *testing.T) {
	const secrets = "shared_key: s3cret-key\nusername: u\npassword: s3cret-pass"
	c, err := load("name: main\nservers: [{address: '127.0.0.1:1', shared_key: s3cret-own, username: u, password: s3cret-own}]\n" + secrets)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	_, bad := load("name: s3cret-key\naddress: s3cret-pass\nrecords: s3cret-key\ntag: '{{.s3cret-pass}}'\n" + secrets)
	if bad == nil {
		t.Fatal("no error")
	}
	for _, text := range []string{bad.Error(), fmt.Sprintf("%v %+v %#v", c, c, c), string(y)} {
		if strings.Contains(text, "s3cret") {
			t.Errorf("a secret is in %s", text)
		}
	}
}

func TestTags(t *testing.T) {
	file := &agent.Source{ID: "file//var/log/nginx/access.log", Collector: "nginx", Name: "/var/log/nginx/access.log"}
	odd := container("a")
	odd.Container.Image = "a b\n\x00c"
	tests := []struct {
		tag  string
		src  *agent.Source
		want string
	}{
		{"{{.Source}}.{{.Name}}", container("a"), "docker.app-a-1"},
		{"{{.Source}}.{{.Name}}", file, "nginx.access.log"},
		{"{{.Project}}.{{.Service}}.{{.ID}}", container("a"), "app.a.aaaaaaaaaaaa"},
		{"{{.FullID}}", container("a"), strings.Repeat("a", 64)},
		{"{{.Service}}", file, "nginx"},      // which has none
		{"{{slice .ID 0 6}}", file, "nginx"}, // nor an id
		{"x.{{.ImageName}}", odd, "x.a_b_c"}, // what a tag may not have
		{"{{slice .ID 0 6}}", container("a"), "aaaaaa"},
	}
	for _, tt := range tests {
		tag, err := parseTag(tt.tag)
		if err != nil {
			t.Errorf("%s: %v", tt.tag, err)
			continue
		}
		o := &Output{tag: tag}
		if got := o.tagFor(tt.src); got != tt.want {
			t.Errorf("%s of %s is %q; want %q", tt.tag, tt.src.ID, got, tt.want)
		}
	}
}
