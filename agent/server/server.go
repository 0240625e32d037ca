// Package server is the keys that say where a server is, for whatever connects
// to one by host and port or by a unix socket.
package server

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// CheckAddress says what is wrong with host:port.
func CheckAddress(a string) error {
	host, port, err := net.SplitHostPort(a)
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("%q is no host:port", a)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("%q is no port", port)
	}
	return nil
}

// Host is the host of host:port; "" for anything else.
func Host(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return host
}

// Check says what is wrong with the keys address and socket, of which one has to
// be set: it calls bad with the key, a remedy, and what is wrong. The examples
// are shown to people.
func Check(address, socket, exampleAddress, exampleSocket string, bad func(field, hint, format string, args ...any)) {
	switch {
	case address == "" && socket == "":
		bad(".address", "write it as "+exampleAddress+", or set socket", "neither address nor socket is set")
	case address != "" && socket != "":
		bad(".socket", "remove one of them", "address and socket are both set")
	case address != "":
		if err := CheckAddress(address); err != nil {
			bad(".address", "write it as "+exampleAddress, "%w", err)
		}
	case !strings.HasPrefix(socket, "/"):
		bad(".socket", "write it as "+exampleSocket, "%q is no absolute path", socket)
	}
}

// Loopback reports whether only this machine reaches an address.
func Loopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
