package config

import (
	"errors"
	"fmt"
	"net/netip"
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
	c.validateLogin(&f)
	c.validateArchive(&f)
	c.validateLimits(&f)
	return errors.Join(f...)
}

// Names of the listeners, as in the section listen.
var (
	streamListeners = []string{"tcp", "tls"}
	allListeners    = []string{"tcp", "tls", "http", "https", "web", "rest"}
)

func (l *Listen) field(name string) *string {
	switch name {
	case "tcp":
		return &l.TCP
	case "tls":
		return &l.TLS
	case "http":
		return &l.HTTP
	case "https":
		return &l.HTTPS
	case "web":
		return &l.Web
	case "rest":
		return &l.REST
	}
	return nil
}

// Addr gives the address of a listener by its name; "" for one that is none.
func (l *Listen) Addr(name string) string {
	if f := l.field(name); f != nil {
		return *f
	}
	return ""
}

// SetAddr changes it. A name that is none is passed over.
func (l *Listen) SetAddr(name, addr string) {
	if f := l.field(name); f != nil {
		*f = addr
	}
}

func (c *Config) validateListen(f *faults) {
	for i, name := range allListeners {
		key, addr := "listen."+name, c.Listen.Addr(name)
		f.check(key, checkAddress(addr))
		for _, other := range allListeners[:i] {
			if samePort(addr, c.Listen.Addr(other)) {
				f.add(key, "%s and %s of listen.%s need different ports", addr, c.Listen.Addr(other), other)
			}
		}
	}
}

func (c *Config) validateTLS(f *faults) {
	pair := func(section, cert, key string) {
		switch {
		case cert != "" && key == "":
			f.add(section+".key", "is missing: %s.cert needs its private key", section)
		case cert == "" && key != "":
			f.add(section+".cert", "is missing: %s.key needs its certificate", section)
		}
	}
	pair("tls", c.TLS.Cert, c.TLS.Key)
	pair("web", c.Web.Cert, c.Web.Key)
	f.oneOf("web.certificate", c.Web.Certificate, WebOwn, WebFiles, WebACME)
	switch c.Web.Certificate {
	case WebFiles:
		if c.Web.Cert == "" && c.Web.Key == "" {
			f.add("web.cert", "is missing: web.certificate is files")
		}
	case WebOwn:
		if c.Web.Cert != "" {
			f.add("web.certificate", "is own although web.cert names a file: write files")
		}
	case WebACME:
		if len(c.publicNames()) == 0 {
			f.add("public", "has no name: web.certificate is acme, which needs the name of this server, such as tak.example.org")
		}
	}
	f.check("web.acme_http", checkAddress(c.Web.HTTP))
	if d := c.Web.Directory; d != "" && !strings.HasPrefix(d, "https://") {
		f.add("web.acme_directory", "%s is no https URL", quote(d))
	}
	p := &c.PKI
	for _, n := range []struct{ key, text string }{{"pki.organization", p.Organization}, {"pki.unit", p.Unit}} {
		if n.text == "" || len(n.text) > 64 || strings.ContainsFunc(n.text, func(r rune) bool { return r < ' ' || strings.ContainsRune(`,+="<>#;\`, r) }) {
			f.add(n.key, `wants 1 to 64 characters, none of , + = " < > # ; \`)
		}
	}
	f.span("pki.ca", p.CA, 30*day, 50*year)
	f.span("pki.server", p.Server, day, 10*year)
	f.span("pki.client", p.Client, time.Hour, 10*year)
	if !slices.Contains([]int{2048, 3072, 4096}, p.KeyBits) {
		f.add("pki.key_bits", "%d is not one of 2048, 3072 and 4096", p.KeyBits)
	}
	if p.Password == "" {
		f.add("pki.password", "is empty: TAK clients open no key store without a password")
	}
}

// publicNames are those entries of public that are names and no addresses.
func (c *Config) publicNames() (names []string) {
	for _, text := range c.Public {
		if p, err := ParsePublic(text); err == nil && p.Listener == "" {
			if _, err := netip.ParseAddr(p.Host); err != nil {
				names = append(names, p.Host)
			}
		}
	}
	return names
}

func (c *Config) validateLogin(f *faults) {
	for _, text := range c.Public {
		if _, err := ParsePublic(text); err != nil {
			f.add("public", "%s", err)
		}
	}
	l := &c.Login
	for _, name := range l.Streams {
		f.oneOf("login.streams", name, streamListeners...)
	}
	f.between("login.attempts", int64(l.Attempts), 1, 1000)
	f.span("login.lock", l.Lock, time.Second, day)
	f.between("login.hashes", int64(l.Hashes), 1, 64)
	f.span("login.session", l.Session, time.Minute, year)
	for _, text := range c.Trusted {
		_, errAddr := netip.ParseAddr(text)
		if _, err := netip.ParsePrefix(text); err != nil && errAddr != nil {
			f.add("trusted_proxies", "%s is no address: write 10.0.0.5 or 10.0.0.0/8", quote(text))
		}
	}
	for _, name := range c.Proxy.Protocol {
		f.oneOf("proxy.protocol", name, allListeners...)
	}
	if len(c.Trusted) == 0 && (len(c.Proxy.Protocol) > 0 || c.Proxy.Certificate != "") {
		f.add("trusted_proxies", "is empty: name the proxies that proxy.protocol or proxy.certificate is about")
	}
	if h := c.Proxy.Certificate; strings.ContainsFunc(h, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		f.add("proxy.certificate", "%s is no name of an HTTP header", quote(h))
	}
	if c.Audit.Keep != 0 && c.Audit.Keep.Std() < day {
		f.add("audit.keep", "%s is too short: at least 1d, or 0 to keep entries for ever", c.Audit.Keep)
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
	f.size("limits.upload", l.Upload, KiB, 64*GiB)
	f.size("limits.files", l.Files, 0, 1024*1024*GiB)
	f.span("limits.plugin_idle", l.PluginIdle, 0, year)
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
