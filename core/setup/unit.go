package setup

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/takhost/takhost/core/config"
)

// UnitName is what systemd calls the service.
const UnitName = "takhost.service"

// unitMark is the first line of units that are made here, so that others are not
// written over.
const unitMark = "# Made by takhost service install, which writes it anew."

// UnitOptions say what the unit starts. Paths are absolute.
type UnitOptions struct {
	Program string
	Config  string // file; "" is none
	Data    string // "" when the configuration is to say it
	Dir     string // working directory, from which relative paths count
	User    string
	Group   string
	Loaded  *config.Config
}

// openFiles is how many files the service may have open beside one for each
// connection: databases, listeners, plugins, requests.
const openFiles = 4096

// lastSteps is what a stop takes at most beside the two spans of limits.shutdown,
// in which first requests end and then plugins: the archive's queue is written,
// and answers are sent (core/server).
const lastSteps = 30 * time.Second

// Unit gives the text of the unit.
func Unit(o UnitOptions) string {
	c := o.Loaded
	data := c.Data
	if !filepath.IsAbs(data) {
		data = filepath.Join(o.Dir, data)
	}
	start := []string{o.Program, "serve"}
	if o.Config != "" {
		start = append(start, "--config", o.Config)
	}
	if o.Data != "" {
		start = append(start, "--data", o.Data)
	}
	for i := range start {
		start[i] = unitArg(start[i])
	}
	after := "network-online.target"
	if !c.Database.IsSQLite() {
		after += " postgresql.service"
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(unitMark)
	line("[Unit]")
	line("Description=takhost, a TAK server")
	line("Documentation=https://github.com/takhost/takhost")
	line("Wants=network-online.target")
	line("After=%s", after)
	line("")
	line("[Service]")
	line("Type=exec")
	line("User=%s", o.User)
	line("Group=%s", o.Group)
	line("WorkingDirectory=%s", unitPath(o.Dir))
	line("ExecStart=%s", strings.Join(start, " "))
	line("ExecReload=/bin/kill -HUP $MAINPID")
	line("Restart=on-failure")
	line("RestartSec=2s")
	line("# The server ends by itself before this.")
	line("TimeoutStopSec=%ds", int((2*c.Limits.Shutdown.Std()+lastSteps+time.Second-1)/time.Second))
	line("LimitNOFILE=%d", c.Limits.Connections+openFiles)
	line("UMask=0077")
	line("")
	line("# It writes to its data folder alone.")
	line("ProtectSystem=strict")
	line("ReadWritePaths=%s", unitArg(data))
	used := append(filesOf(c), o.Program, o.Config, o.Dir, data)
	line("ProtectHome=%s", map[bool]string{true: "read-only", false: "yes"}[anyBelow(used, "/home", "/root", "/run/user")])
	if !anyBelow(used, "/tmp", "/var/tmp") {
		line("PrivateTmp=yes")
	}
	line("PrivateDevices=yes")
	line("NoNewPrivileges=yes")
	if needsLowPort(c) {
		line("# For the ports below 1024.")
		line("CapabilityBoundingSet=CAP_NET_BIND_SERVICE")
		line("AmbientCapabilities=CAP_NET_BIND_SERVICE")
	} else {
		line("CapabilityBoundingSet=")
	}
	for _, k := range []string{
		"ProtectClock", "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
		"RestrictRealtime", "RestrictSUIDSGID", "LockPersonality",
	} {
		line("%s=yes", k)
	}
	line("RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK")
	line("SystemCallArchitectures=native")
	line("# MemoryDenyWriteExecute stays off: plugins are compiled to machine code when they")
	line("# are loaded, and that has to be written before it is run.")
	line("")
	line("[Install]")
	line("WantedBy=multi-user.target")
	return b.String()
}

// filesOf are the operator's files that the server reads.
func filesOf(c *config.Config) []string {
	return []string{c.TLS.Cert, c.TLS.Key, c.TLS.ClientCA, c.Web.Cert, c.Web.Key, c.Web.CA}
}

// anyBelow reports whether one of the paths lies in one of the folders. Homes are
// hidden from the service unless something of its own is there: then they are
// read-only, but for the data folder. So it is with the folders for temporary
// files.
func anyBelow(paths []string, folders ...string) bool {
	for _, p := range paths {
		for _, dir := range folders {
			if p == dir || strings.HasPrefix(p, dir+"/") {
				return true
			}
		}
	}
	return false
}

// firstFreePort is the lowest that any program may listen on.
const firstFreePort = 1024

// needsLowPort reports whether a listener is on a port that is for root.
func needsLowPort(c *config.Config) bool {
	addrs := []string{}
	for _, name := range listeners {
		addrs = append(addrs, c.Listen.Addr(name))
	}
	if c.Web.Certificate == config.WebACME {
		addrs = append(addrs, c.Web.HTTP)
	}
	for _, addr := range addrs {
		_, port, err := net.SplitHostPort(addr)
		if n, e := strconv.Atoi(port); err == nil && e == nil && n > 0 && n < firstFreePort {
			return true
		}
	}
	return false
}

// unitArg writes a text as one word of a unit: quoted where needed, with the signs
// doubled that systemd replaces (systemd.service(5), "Command lines").
func unitArg(s string) string {
	s = strings.NewReplacer("%", "%%", "$", "$$").Replace(s)
	if s != "" && !strings.ContainsAny(s, " \t\"'\\;") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// unitPath writes a path that takes the whole line.
func unitPath(s string) string { return strings.ReplaceAll(s, "%", "%%") }
