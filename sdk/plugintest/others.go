package plugintest

import (
	"net/url"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/tree"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

// OnFetch answers the plugin's requests to other servers. Without it each of them
// fails as if there were no network. Body and BodyTree of the answer need not both be
// there: a tree that the plugin asks for is made of a body in JSON or XML.
func (k *Kit) OnFetch(answer func(f *sdk.Fetch) (*sdk.Fetched, error)) { k.fetch = answer }

// OnAction answers an action of another plugin, plugin.action.
func (k *Kit) OnAction(name string, answer func(a *sdk.Action) (sdk.ActionResult, error)) {
	k.actions[name] = answer
}

func (w *work) fetch(in, dst []byte) ([]byte, error) {
	const op = hostapi.HostFetch
	var m wire.Fetch
	if err := decode(op, in, &m); err != nil {
		return nil, err
	}
	scope := w.k.grants[hostapi.CapHTTPClient]
	u, err := url.Parse(m.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errf(hostapi.Invalid, "%v: %q is no http or https address", op, m.URL)
	}
	if !slices.ContainsFunc(scope.Hosts, func(p string) bool { return hostapi.MatchHost(p, u.Hostname(), u.Port()) }) {
		return nil, errf(hostapi.Forbidden, "%v: host %s is not granted, only %s", op, u.Host, strings.Join(scope.Hosts, ", "))
	}
	if m.Method == "" {
		m.Method = "GET"
	}
	if len(scope.Methods) > 0 && !slices.Contains(scope.Methods, m.Method) {
		return nil, errf(hostapi.Forbidden, "%v: method %s is not granted, only %s", op, m.Method, strings.Join(scope.Methods, ", "))
	}
	if w.k.fetch == nil {
		return nil, errf(hostapi.Retry, "%v: there is no network in this test: use OnFetch", op)
	}
	m.Body = slices.Clone(m.Body) // tests may keep it
	out, err := w.k.fetch(&m)
	if err != nil {
		return nil, err
	}
	answer := *out
	if m.As == wire.FetchAsTree && len(answer.Tree) == 0 {
		if strings.Contains(answer.ContentType, "xml") {
			answer.Tree, err = tree.AppendXML(nil, string(answer.Body))
		} else {
			answer.Tree, err = tree.AppendJSON(nil, answer.Body)
		}
		if err != nil {
			return nil, errf(hostapi.Invalid, "%v: the answer: %v", op, err)
		}
		answer.Body = nil
	}
	return answer.Append(dst), nil
}

func (w *work) action(in, dst []byte) ([]byte, error) {
	const op = hostapi.HostCall
	var m wire.Action
	if err := decode(op, in, &m); err != nil {
		return nil, err
	}
	if have := w.k.grants[hostapi.CapCall].Actions; !hostapi.MatchAny(have, m.Name) {
		return nil, errf(hostapi.Forbidden, "%v: action %s is not granted, only %s", op, m.Name, strings.Join(have, ", "))
	}
	f := w.k.actions[m.Name]
	if f == nil {
		return nil, errf(hostapi.NotFound, "%v: there is no action %s: use OnAction", op, m.Name)
	}
	m.Body = slices.Clone(m.Body)
	m.Caller = w.caller
	res, err := f(&m)
	if err != nil {
		return nil, err
	}
	return res.Append(dst), nil
}

// Connect makes clients be there and, if the manifest asks for clients, tells the
// plugin, of all in one call. A client of a uid that is there already changes. What is
// empty gets a value: the user's sets are those of __ANON__, the listener tcp.
func (k *Kit) Connect(clients ...sdk.Client) {
	k.t.Helper()
	var changes []wire.ClientChange
	for _, c := range clients {
		changes = append(changes, k.connect(c))
	}
	k.tellClients(changes)
}

func (k *Kit) connect(c sdk.Client) wire.ClientChange {
	if c.InSet == 0 {
		c.InSet = int32(hostapi.AnonSet)
	}
	if c.OutSet == 0 {
		c.OutSet = c.InSet
	}
	if c.Listener == "" {
		c.Listener = "tcp"
	}
	c.Seen = k.now.UnixMicro()
	kind := wire.ClientChangeKindConnected
	if i := k.client(c.UID); i >= 0 {
		kind = wire.ClientChangeKindChanged
		c.Connected, c.Connection = k.online[i].Connected, k.online[i].Connection
		k.online[i] = c
	} else {
		k.ids++
		c.Connected, c.Connection = k.now.UnixMicro(), uint64(k.ids)
		k.online = append(k.online, c)
	}
	return wire.ClientChange{Kind: kind, Client: &c, At: k.now.UnixMicro()}
}

// Disconnect makes a client be gone.
func (k *Kit) Disconnect(uid string) {
	k.t.Helper()
	i := k.client(uid)
	if i < 0 {
		k.t.Fatalf("disconnect: there is no client %s", uid)
	}
	c := k.online[i]
	k.online = slices.Delete(k.online, i, i+1)
	k.tellClients([]wire.ClientChange{{Kind: wire.ClientChangeKindDisconnected, Client: &c, At: k.now.UnixMicro()}})
}

func (k *Kit) client(uid string) int {
	return slices.IndexFunc(k.online, func(c sdk.Client) bool { return c.UID == uid })
}

// seesClient says whether the grant covers a client.
func (k *Kit) seesClient(c *sdk.Client) bool {
	scope, ok := k.grants[hostapi.CapClients]
	if !ok || len(scope.Groups) == 0 {
		return ok
	}
	return slices.ContainsFunc(k.groups(c.InSet), func(g string) bool { return hostapi.MatchAny(scope.Groups, g) })
}

// tellClients tells the plugin of changes. Those of a call that failed are told once
// more one by one, and then given up.
func (k *Kit) tellClients(changes []wire.ClientChange) {
	k.t.Helper()
	var m wire.ClientChanges
	for _, c := range changes {
		if k.manifest.Clients && k.seesClient(c.Client) {
			m.Changes = append(m.Changes, c)
		}
	}
	if len(m.Changes) == 0 {
		return
	}
	if _, err := k.call(hostapi.OpClients, m.Append(nil), how{}); err == nil {
		return
	}
	for _, c := range m.Changes {
		one := wire.ClientChanges{Changes: []wire.ClientChange{c}}
		if _, err := k.call(hostapi.OpClients, one.Append(nil), how{}); err != nil {
			k.bury(hostapi.OpClients, c.Client.UID, err)
		}
	}
}

// AddUser makes a user be known to identity.read.
func (k *Kit) AddUser(u sdk.Identity) { k.users[u.User] = u }

// AddCertificate makes a client certificate be known by its serial number. Its user
// need not be.
func (k *Kit) AddCertificate(serial string, c sdk.Identity) { k.certificates[serial] = c }

func (w *work) identity(in, dst []byte) ([]byte, error) {
	const op = hostapi.HostIdentity
	var q wire.IdentityQuery
	if err := decode(op, in, &q); err != nil {
		return nil, err
	}
	var is sdk.Identity
	ok := false
	switch {
	case q.User != "":
		is, ok = w.k.users[q.User]
	case q.Set != 0:
		is.Groups = w.k.groups(q.Set)
		ok = len(is.Groups) > 0
	default:
		is, ok = w.k.certificates[q.CertificateSerial]
	}
	if !ok {
		return nil, errf(hostapi.NotFound, "%v: there is no such user, set or certificate", op)
	}
	return is.Append(dst), nil
}

func (w *work) listClients(in, dst []byte) ([]byte, error) {
	var m wire.ClientQuery
	if err := decode(hostapi.HostClients, in, &m); err != nil {
		return nil, err
	}
	if err := w.needCaller(hostapi.HostClients, m.AsCaller); err != nil {
		return nil, err
	}
	var answer wire.Clients
	for i := range w.k.online {
		c := &w.k.online[i]
		named := len(m.UIDs)+len(m.Callsigns) == 0 || slices.Contains(m.UIDs, c.UID) || slices.Contains(m.Callsigns, c.Callsign)
		if !named || !w.k.seesClient(c) || m.AsCaller && !w.k.meet(c.InSet, w.caller.OutSet) {
			continue
		}
		answer.Clients = append(answer.Clients, *c)
	}
	return answer.Append(dst), nil
}
