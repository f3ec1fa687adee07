package setup

import (
	"net"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// configure turns the settings of a FreeTAKServer into ours.
func (s *ftsSettings) configure(r *Report) (values []Value) {
	values = append(values, s.public(r)...)

	// FreeTAKServer opens its plain listeners to all, and its users know no other.
	values = append(values, Value{"exposure", "lan"})
	r.taken("exposure", "lan: plain CoT and its files are open to the network, as they were; exposure: local or internet closes them")
	for _, p := range []struct {
		name, key string
		usual     int
	}{
		{"FTS_COT_PORT", "listen.tcp", 8087}, {"FTS_SSLCOT_PORT", "listen.tls", 8089},
	} {
		port, ok := s.port(p.name, p.usual, r)
		if !ok {
			continue
		}
		if port != p.usual {
			values = append(values, Value{p.key, net.JoinHostPort("0.0.0.0", strconv.Itoa(port))})
		}
		r.taken(p.name, "%s on port %d", p.key, port)
	}
	values = append(values, s.rest(r)...)
	values = append(values, s.logging(r)...)
	if !s.isTrue("FTS_COT_TO_DB", true) {
		values = append(values, ListValue("archive.types", nil))
		r.taken("FTS_COT_TO_DB", "archive.types is empty: nothing is archived")
	}
	s.leave(r)
	return values
}

// public takes the addresses that clients were told.
func (s *ftsSettings) public(r *Report) []Value {
	var names []string
	for _, key := range []string{"FTS_USER_ADDRESS", "FTS_DP_ADDRESS"} {
		addr := s.values[key]
		ip, err := netip.ParseAddr(addr)
		switch {
		case addr == "" || slices.Contains(names, addr):
		case err == nil && ip.IsUnspecified():
			r.left(key, "%s is no address that clients reach: choose one for public", addr)
		case err == nil && ip.IsLoopback():
			r.left(key, "%s leads every phone to itself: choose another for public", addr)
		default:
			if e := (&Draft{}).Set(ListValue("public", []string{addr})); e != nil {
				r.left(key, "%s", e)
				continue
			}
			names = append(names, addr)
			r.taken(key, "public: %s", addr)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []Value{ListValue("public", names)}
}

func (s *ftsSettings) port(name string, usual int, r *Report) (port int, ok bool) {
	text, given := s.values[name]
	if !given || text == "" {
		return usual, true
	}
	port, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || port < 1 || port > 65535 {
		r.left(name, "%q is no port: the usual %d stays", text, usual)
		return 0, false
	}
	return port, true
}

// rest takes the REST API's address. One for all machines becomes one for this
// machine: it has no encryption, and FreeTAKServer's clients know no other.
func (s *ftsSettings) rest(r *Report) []Value {
	port, ok := s.port("FTS_API_PORT", 19023, r)
	if !ok {
		port = 19023
	}
	host := s.get("FTS_API_ADDRESS", "0.0.0.0")
	ip, err := netip.ParseAddr(host)
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	switch {
	case err == nil && ip.IsUnspecified():
		addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		r.taken("FTS_API_PORT", "listen.rest on %s, for programs on this machine. For those on others listen.web (HTTPS) has the same API; or set listen.rest to 0.0.0.0:%d and, as they speak plain HTTP, rest.insecure to true", addr, port)
	case err == nil && ip.IsLoopback():
		r.taken("FTS_API_PORT", "listen.rest on %s", addr)
	default:
		r.taken("FTS_API_PORT", "listen.rest on %s, by HTTPS now unless rest.insecure is true", addr)
	}
	v := Value{"listen.rest", addr}
	if e := (&Draft{}).Set(v); e != nil {
		r.left("FTS_API_ADDRESS", "%s", e)
		return []Value{{"listen.rest", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}}
	}
	return []Value{v}
}

func (s *ftsSettings) logging(r *Report) []Value {
	level := strings.ToLower(s.values["FTS_LOG_LEVEL"])
	switch level {
	case "":
		return nil
	case "info", "debug", "error":
		r.taken("FTS_LOG_LEVEL", "log.level: %s", level)
		if level == "info" {
			return nil
		}
		return []Value{{"log.level", level}}
	}
	r.left("FTS_LOG_LEVEL", "%q is no level: info stays", level)
	return nil
}

// notOurs says of the settings that have no counterpart why that is so.
var notOurs = map[string]string{
	"FTS_SECRET_KEY":               "this server makes its own secrets",
	"FTS_NODE_ID":                  "this server has an id of its own",
	"FTS_OPTIMIZE_API":             "there is nothing to choose: everything is archived by one rule, archive.types",
	"FTS_DATA_RECEPTION_BUFFER":    "this server finds its own sizes; limits bound them",
	"FTS_MAX_RECEPTION_TIME":       "see limits.unfinished_wait",
	"FTS_MAINLOOP_DELAY":           "there is no main loop",
	"FTS_CONNECTION_MESSAGE":       "this version sends no greeting",
	"FTS_EMERGENCY_RADIUS":         "emergencies go to all who may see the sender",
	"FTS_FED_PORT":                 "this version has no federation",
	"FTS_FEDERATION_CERTDIR":       "this version has no federation",
	"FTS_FEDERATION_KEYDIR":        "this version has no federation",
	"FTS_FEDERATION_KEYPASS":       "this version has no federation",
	"FTS_FED_PASSWORD":             "this version has no federation",
	"FTS_CLI_WHITELIST":            "the REST API asks everybody for a token, wherever he calls from",
	"FTS_WEBSOCKET_KEY":            "this version has no Socket.IO",
	"FTS_CLIENT_CERT_PASSWORD":     "packages made here have the password of pki.password; those that are out keep theirs",
	"FTS_MAINPATH":                 "there is no program folder",
	"FTS_LOGFILE_PATH":             "the log goes to the standard error, where systemd keeps it",
	"FTS_DATAPACKAGE_PATH":         "files lie in blobs of the data folder",
	"FTS_EXCHECK_PATH":             "this version has no ExCheck",
	"FTS_EXCHECK_TEMPLATE_PATH":    "this version has no ExCheck",
	"FTS_EXCHECK_CHECKLIST_PATH":   "this version has no ExCheck",
	"FTS_CLIENT_PACKAGES_PATH":     "packages are made anew: takhost package NAME",
	"FTS_SERVER_KEYDIR":            "the authority issues a new certificate for this server, with its names in it",
	"FTS_SERVER_PEMDIR":            "the authority issues a new certificate for this server, with its names in it",
	"FTS_UNENCRYPTED_KEYDIR":       "the authority issues a new certificate for this server, with its names in it",
	"FTS_SERVER_P12DIR":            "packages get a trust store without the server's key",
	"FTS_INTERNAL_COMPONENTS_PATH": "components of FreeTAKServer are no plugins of this server",
	"FTS_EXTERNAL_COMPONENTS_PATH": "components of FreeTAKServer are no plugins of this server",
}

// leave reports the settings that are given and mean nothing here. Those of the
// internal bus, which official files set, are one line.
func (s *ftsSettings) leave(r *Report) {
	var bus []string
	for _, name := range sortedKeys(s.values) {
		switch why, ok := notOurs[name]; {
		case strings.HasPrefix(name, "FTS_ROUTING_PROXY"), strings.HasPrefix(name, "FTS_INTEGRATION_MANAGER"), name == "FTS_NUM_ROUTING_WORKERS":
			bus = append(bus, name)
		case ok:
			r.left(name, "%s", why)
		}
	}
	if len(bus) > 0 {
		r.left(strings.Join(bus, ", "), "there is no such bus inside of this server")
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
