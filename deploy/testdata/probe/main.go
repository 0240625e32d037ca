// Command probe stands in for the agent in an image's test: it says what the
// process may do in the container.
package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "health" {
		return
	}
	say := func(what string, err error) {
		if err != nil {
			fmt.Printf("%s: no\n", what)
			return
		}
		fmt.Printf("%s: yes\n", what)
	}
	read := func(name string) error {
		_, err := os.ReadFile(name)
		return err
	}
	write := func(name string) error {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			f.Close()
		}
		return err
	}
	say("command is run", func() error {
		if len(os.Args) == 2 && os.Args[1] == "run" {
			return nil
		}
		return os.ErrInvalid
	}())
	say("read the configuration", read("/etc/logkeel/agent.yaml"))
	say("read root's log", read("/logs/root.log"))
	say("read another user's log", read("/logs/other.log"))
	say("write another user's log", write("/logs/other.log"))
	say("write to the root file system", write("/file"))
	say("write to /state", write("/state/file"))
	fmt.Println("end")
	time.Sleep(time.Hour)
}
