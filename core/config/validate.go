package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Fault is one thing that is wrong with a value. Key is its dotted path.
type Fault struct {
	Key     string
	Problem string
}

func (f *Fault) Error() string { return f.Key + ": " + f.Problem }

// Validate reports everything that is wrong, joined; each error is a *Fault.
// It looks at the values alone: whether files exist and ports are free is
// found out by those who open them.
func (c *Config) Validate() error {
	var f faults
	if c.Data == "" {
		f.add("data", "names no folder")
	}
	if strings.ContainsRune(c.Data, 0) {
		f.add("data", "holds a zero byte")
	}
	f.between("node", int64(c.Node), 0, MaxNode)
	f.oneOf("exposure", string(c.Exposure), string(ExposureLocal), string(ExposureLAN), string(ExposureInternet))
	f.check("database", c.Database.validate())
	f.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	f.oneOf("log.format", c.Log.Format, "text", "json")
	c.validateListen(&f)
	c.validateTLS(&f)
	c.validateArchive(&f)
	c.validateLimits(&f)
	return errors.Join(f...)
}

func (c *Config) validateListen(f *faults) {
	listeners := []struct{ key, addr string }{
		{"listen.tcp", c.Listen.TCP}, {"listen.tls", c.Listen.TLS}, {"listen.rest", c.Listen.REST},
	}
	for i, l := range listeners {
		f.check(l.key, checkAddress(l.addr))
		for _, other := range listeners[:i] {
			if samePort(l.addr, other.addr) {
				f.add(l.key, "%s and %s of %s need different ports", l.addr, other.addr, other.key)
			}
		}
	}
	if checkAddress(c.Listen.REST) == nil && c.RESTOverTLS() && !c.TLS.Enabled() {
		f.add("listen.rest", "%s is reached by other machines, and there is no certificate for HTTPS: "+
			"set tls.cert, tls.key and tls.client_ca, or rest.insecure: true for plain HTTP, or listen on 127.0.0.1", c.Listen.REST)
	}
}

func (c *Config) validateTLS(f *faults) {
	switch {
	case c.TLS.Cert != "" && c.TLS.Key == "":
		f.add("tls.key", "is missing: tls.cert needs its private key")
	case c.TLS.Cert == "" && c.TLS.Key != "":
		f.add("tls.cert", "is missing: tls.key needs its certificate")
	}
	switch {
	case c.TLS.Cert != "" && c.TLS.ClientCA == "":
		f.add("tls.client_ca", "is missing: CoT over TLS asks for client certificates, so name the authorities that issue them")
	case c.TLS.Cert == "" && c.TLS.Key == "" && c.TLS.ClientCA != "":
		f.add("tls.cert", "is missing: tls.client_ca is of use only with tls.cert and tls.key")
	}
}

func (c *Config) validateArchive(f *faults) {
	for _, glob := range c.Archive.Types {
		if !isTypeGlob(glob) {
			f.add("archive.types", "%s is not a CoT type: write one such as b-t-f, with * for any text, such as a-f-*", quote(glob))
		}
	}
	if c.Archive.Keep != 0 && c.Archive.Keep.Std() < time.Minute {
		f.add("archive.keep", "%s is too short: at least 1m, or 0 to keep events for ever", c.Archive.Keep)
	}
	if c.Archive.Max != 0 && c.Archive.Max < MiB {
		f.add("archive.max", "%s is too small: at least 1MiB, or 0 for no limit", c.Archive.Max)
	}
}

// isTypeGlob reports whether s consists of what CoT types are made of.
func isTypeGlob(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '*':
		default:
			return false
		}
	}
	return true
}

func (c *Config) validateLimits(f *faults) {
	l := &c.Limits
	const most = 1 << 30 // for counts and bytes alike: far above any use, safely within an int
	f.size("limits.event", l.Event, KiB, GiB)
	f.between("limits.queue_events", int64(l.QueueEvents), 1, most)
	f.size("limits.queue_bytes", l.QueueBytes, KiB, 64*GiB)
	f.between("limits.connections", int64(l.Connections), 1, most)
	f.between("limits.connections_per_address", int64(l.ConnectionsPerAddress), 1, most)
	f.size("limits.unfinished", l.Unfinished, KiB, 1024*GiB)
	f.span("limits.unfinished_wait", l.UnfinishedWait, time.Millisecond, day)
	f.span("limits.handshake", l.Handshake, time.Millisecond, time.Hour)
	f.span("limits.gather", l.Gather, 0, time.Second)
	f.span("limits.stall", l.Stall, time.Millisecond, day)
	f.between("limits.sender_rate", int64(l.SenderRate), 0, most)
	f.between("limits.archive_queue_events", int64(l.ArchiveQueueEvents), 1, most)
	f.size("limits.archive_queue_bytes", l.ArchiveQueueBytes, KiB, 1024*GiB)
	f.span("limits.shutdown", l.Shutdown, 0, time.Hour)
	for _, q := range []struct {
		key  string
		size Bytes
	}{
		{"limits.queue_bytes", l.QueueBytes},
		{"limits.unfinished", l.Unfinished},
		{"limits.archive_queue_bytes", l.ArchiveQueueBytes},
	} {
		if q.size < l.Event && l.Event <= GiB {
			f.add(q.key, "%s is less than the %s of one event (limits.event)", q.size, l.Event)
		}
	}
}

// faults collects *Fault.
type faults []error

func (f *faults) add(key, format string, args ...any) {
	*f = append(*f, &Fault{Key: key, Problem: fmt.Sprintf(format, args...)})
}

func (f *faults) check(key string, err error) {
	if err != nil {
		f.add(key, "%s", err)
	}
}

func (f *faults) oneOf(key, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	last := len(allowed) - 1
	f.add(key, "%s is not one of %s and %s", quote(value), strings.Join(allowed[:last], ", "), allowed[last])
}

func (f *faults) between(key string, n, least, most int64) {
	if n < least || n > most {
		f.add(key, "%d is not between %d and %d", n, least, most)
	}
}

func (f *faults) size(key string, b, least, most Bytes) {
	if b < least || b > most {
		f.add(key, "%s is not between %s and %s", b, least, most)
	}
}

func (f *faults) span(key string, d Duration, least, most time.Duration) {
	if d.Std() < least || d.Std() > most {
		f.add(key, "%s is not between %s and %s", d, Duration(least), Duration(most))
	}
}
