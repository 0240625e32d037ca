package multiline

import "bytes"

// The states of MariaDB.
const (
	mariadbText    State = 1 + iota // what has no time belongs to it
	mariadbMonitor                  // within the output of InnoDB's monitor
	mariadbEnd                      // at its end
	mariadbTime                     // "# Time:" of the slow log
	mariadbSlow                     // within an entry of it
)

// mariadbNext joins what the server writes after a line that has a time: reports
// of crashes and deadlocks, InnoDB's monitor, and entries of the slow log.
func mariadbNext(s State, l []byte) (next State, joins bool) {
	if len(l) == 0 {
		return s, s != 0
	}
	if l[0] == '#' {
		switch {
		case hasPrefix(l, "# Time: "):
			return mariadbTime, false
		case hasPrefix(l, "# User@Host: "):
			return mariadbSlow, s == mariadbTime
		}
	}
	timed := digit(l[0]) && (dated(l) || shape(l, "999999 99:99:99 ") || shape(l, "999999  9:99:99 ") || shape(l, "99:99:99 UTC"))
	rule := hasPrefix(l, "==========")
	switch s {
	case mariadbMonitor:
		if hasPrefix(l, "END OF INNODB MONITOR OUTPUT") {
			return mariadbEnd, true
		}
		if !timed || shape(l, "9999-99-99 99:99:99 0") && within(l, 24, " 0x") {
			return mariadbMonitor, true
		}
	case mariadbEnd:
		if rule {
			return 0, true
		}
	case mariadbText, mariadbTime, mariadbSlow:
		if !timed && !rule {
			return s, true
		}
	}
	switch {
	case rule:
		return mariadbMonitor, false
	case timed && (within(l, window, "[ERROR]") || within(l, window, "got signal") || within(l, window, "got exception") || innodbReport(l)):
		return mariadbText, false
	}
	return 0, false
}

// innodbReport reports whether InnoDB says more on the lines below: the line's own
// text is empty, or ends in a colon, or begins with asterisks, or says so.
func innodbReport(l []byte) bool {
	i := bytes.Index(l[:min(len(l), window)], []byte("InnoDB"))
	if i < 0 {
		return false
	}
	l = bytes.TrimRight(l[i:], " ")
	return l[len(l)-1] == ':' || string(l) == "InnoDB" || bytes.Contains(l, []byte("*** ")) || hasSuffix(l, "dumping detailed information.")
}

// postgresqlOpen is PostgreSQL's state while a report may go on.
const postgresqlOpen State = 1

// postgresqlNext joins a report of PostgreSQL with its DETAIL, HINT, STATEMENT
// and so on, and with the lines after a tab, which go on a text. Any report may
// have these, so that all are held.
func postgresqlNext(s State, l []byte) (next State, joins bool) {
	if len(l) == 0 {
		return 0, false
	}
	if l[0] == '\t' {
		return s, s != 0
	}
	head := l[:min(len(l), 2*window)]
	i := bytes.Index(head, []byte(":  "))
	if i <= 0 {
		return 0, false
	}
	k := i
	for k > 0 && (head[k-1]-'A' < 26 || digit(head[k-1])) {
		k--
	}
	switch string(head[k:i]) {
	case "DETAIL", "HINT", "STATEMENT", "CONTEXT", "QUERY", "LOCATION", "BACKTRACE":
		return postgresqlOpen, s != 0
	case "ERROR", "FATAL", "PANIC", "WARNING", "NOTICE", "INFO", "LOG", "DEBUG", "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5":
		return postgresqlOpen, false
	}
	return 0, false
}
