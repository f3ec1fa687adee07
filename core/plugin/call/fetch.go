package call

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/tree"
	"github.com/takhost/takhost/hostapi/wire"
)

// Bounds of http.client.
const (
	fetchBody      = hostapi.DefaultBodyOut // bytes, in either direction
	fetchHeader    = 64 << 10               // bytes of an answer's header
	fetchHeaders   = 64                     // lines of a request's header
	fetchRedirects = 5
	fetchURL       = 8 << 10
)

// fetcher is the HTTP client of one version of a plugin. Its connections are
// not shared with others, as they were let through by this plugin's grant.
type fetcher struct {
	p         *Plugin
	scope     *hostapi.Scope // nil: not granted
	client    http.Client
	transport *http.Transport
}

func (f *fetcher) init(p *Plugin) {
	f.p, f.scope = p, p.grants[hostapi.HostFetch]
	if f.scope == nil {
		return
	}
	f.transport = &http.Transport{
		// No Proxy: the environment is the server's, and no plugin's affair.
		DialContext:            f.dial,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxIdleConns:           fetchesAtOnce,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: fetchHeader,
		ForceAttemptHTTP2:      true,
	}
	f.client = http.Client{Transport: f.transport, CheckRedirect: f.redirect}
}

func (f *fetcher) close() {
	if f.transport != nil {
		f.transport.CloseIdleConnections()
	}
}

// fetch sends a request at once; it is not part of what is committed.
func (c *Call) fetch(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostFetch
	if c.opt.Trial {
		return dst, &StatusError{Status: hostapi.Retry, Code: "trial", Message: op.String() + ": this call is a trial, nothing leaves the server"}
	}
	var m wire.Fetch
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	f := &c.p.client
	req, err := f.request(&m)
	if err != nil {
		return dst, err
	}
	if m.Blob != "" {
		file, err := c.fetchBody(ctx, &m, req)
		if err != nil {
			return dst, err
		}
		defer file.Close()
	}
	select {
	case c.p.acct.fetches <- struct{}{}:
		defer func() { <-c.p.acct.fetches }()
	default:
		// One more waits at most as long as its call may take.
		select {
		case c.p.acct.fetches <- struct{}{}:
			defer func() { <-c.p.acct.fetches }()
		case <-ctx.Done():
			return dst, beyond(op, "%d requests of the plugin are under way, and none ended in time", fetchesAtOnce)
		}
	}
	timeout := hostapi.DefaultFetchDeadline
	if m.Timeout > 0 {
		timeout = min(timeout, time.Duration(min(m.Timeout, timeout.Microseconds()))*time.Microsecond)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c.p.acct.nFetched.Add(1)
	answer, err := f.do(c, req.WithContext(ctx), m.As)
	if err != nil {
		return dst, f.fault(ctx, err)
	}
	return answer.Append(dst), nil
}

// request checks what the guest asks for.
func (f *fetcher) request(m *wire.Fetch) (*http.Request, error) {
	const op = hostapi.HostFetch
	method := cmp.Or(m.Method, http.MethodGet)
	if err := f.mayMethod(method); err != nil {
		return nil, err
	}
	switch {
	case m.Blob != "" && len(m.Body) > 0:
		return nil, invalid(op, "the body is a file and bytes at once")
	case m.Blob != "" || m.As == wire.FetchAsBlob:
		if err := f.p.mayBlobs(op); err != nil {
			return nil, err
		}
	case m.As != wire.FetchAsBytes && m.As != wire.FetchAsTree:
		return nil, &StatusError{Status: hostapi.Unsupported, Message: fmt.Sprintf("%s: form %d of an answer is not known to this server", op, m.As)}
	case len(m.URL) > fetchURL:
		return nil, beyond(op, "a URL of %d bytes, at most %d are possible", len(m.URL), fetchURL)
	case len(m.Body) > fetchBody:
		return nil, beyond(op, "a body of %d bytes, at most %d are possible", len(m.Body), fetchBody)
	case len(m.Headers) > fetchHeaders:
		return nil, beyond(op, "%d headers, at most %d are possible", len(m.Headers), fetchHeaders)
	case m.Timeout < 0:
		return nil, invalid(op, "the timeout is below zero")
	}
	u, err := url.Parse(m.URL)
	if err != nil {
		return nil, invalid(op, "%s is no URL", show(m.URL))
	}
	if err := f.mayURL(u); err != nil {
		return nil, err
	}
	// The body is the guest's memory, and a connection may read from it after the
	// answer has come.
	req, err := http.NewRequest(method, u.String(), bytes.NewReader(bytes.Clone(m.Body)))
	if err != nil {
		return nil, invalid(op, "%v", err)
	}
	agent := "takhost"
	if v := f.p.env.Version; v != "" {
		agent += "/" + v
	}
	req.Header.Set("User-Agent", agent)
	for _, h := range m.Headers {
		if !isToken(h.Name) || strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil, invalid(op, "header %s cannot be sent", show(h.Name))
		}
		if slices.Contains(hopHeaders, http.CanonicalHeaderKey(h.Name)) {
			return nil, invalid(op, "header %s is the server's to set", show(h.Name))
		}
		if http.CanonicalHeaderKey(h.Name) == "User-Agent" {
			req.Header.Set(h.Name, h.Value)
			continue
		}
		req.Header.Add(h.Name, h.Value)
	}
	if m.IdempotencyKey != "" {
		if strings.ContainsFunc(m.IdempotencyKey, func(r rune) bool { return r < ' ' || r > '~' }) || len(m.IdempotencyKey) > 255 {
			return nil, invalid(op, "the idempotency key must have up to 255 printable ASCII characters")
		}
		req.Header.Set("Idempotency-Key", m.IdempotencyKey)
	}
	return req, nil
}

// hopHeaders are about the connection, which is the server's.
var hopHeaders = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Te", "Trailer",
	"Proxy-Authorization", "Proxy-Authenticate", "Proxy-Connection", "Expect"}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func (f *fetcher) mayMethod(method string) error {
	if !isToken(method) {
		return invalid(hostapi.HostFetch, "%s is no method", show(method))
	}
	if method == http.MethodConnect {
		return invalid(hostapi.HostFetch, "CONNECT is for proxies")
	}
	if have := f.scope.Methods; len(have) > 0 && !slices.Contains(have, method) {
		return outside(hostapi.HostFetch, "methods", method, strings.Join(have, ", "))
	}
	return nil
}

// mayURL says whether the plugin may send something there, as far as the name
// tells; dial looks at the address.
func (f *fetcher) mayURL(u *url.URL) error {
	const op = hostapi.HostFetch
	if u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" {
		return invalid(op, "the URL must begin with http:// or https://")
	}
	if u.Hostname() == "" {
		return invalid(op, "the URL has no host")
	}
	if u.User != nil {
		return invalid(op, "the URL has a user in it: send a header authorization")
	}
	host, port := u.Hostname(), cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	for _, pattern := range f.scope.Hosts {
		if hostapi.MatchHost(pattern, host, port) {
			return nil
		}
	}
	return outside(op, "hosts", net.JoinHostPort(host, port), strings.Join(f.scope.Hosts, ", "))
}

// redirect checks where an answer wants the request to go.
func (f *fetcher) redirect(req *http.Request, via []*http.Request) error {
	if len(via) > fetchRedirects {
		return beyond(hostapi.HostFetch, "more than %d redirects", fetchRedirects)
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return &StatusError{Status: hostapi.Failed, Code: "downgrade", Message: hostapi.HostFetch.String() + ": a redirect leads from https to " + show(req.URL.Scheme)}
	}
	if err := f.mayMethod(req.Method); err != nil {
		return err
	}
	return f.mayURL(req.URL)
}

func (f *fetcher) do(c *Call, req *http.Request, as wire.FetchAs) (*wire.Fetched, error) {
	res, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	m := &wire.Fetched{Status: int32(res.StatusCode), ContentType: res.Header.Get("Content-Type")}
	if as == wire.FetchAsBlob {
		if m.Blob, err = c.fetchedFile(req, res); err != nil {
			return nil, err
		}
	} else {
		if m.Body, err = io.ReadAll(io.LimitReader(res.Body, fetchBody+1)); err != nil {
			return nil, err
		}
		if len(m.Body) > fetchBody {
			return nil, beyond(hostapi.HostFetch, "the answer has more than %d bytes", fetchBody)
		}
	}
	for _, name := range headerNames(res.Header) {
		for _, v := range res.Header[name] {
			m.Headers = append(m.Headers, wire.Pair{Name: strings.ToLower(name), Value: v})
		}
	}
	if as == wire.FetchAsTree {
		m.Tree = asTree(m.ContentType, m.Body)
		if m.Tree != nil {
			m.Body = nil
		}
	}
	return m, nil
}

func headerNames(h http.Header) []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// asTree reads JSON or XML. What is neither, or cannot be read, reaches the guest
// as bytes: the request was sent, so its answer must not be lost.
func asTree(contentType string, body []byte) []byte {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil
	}
	limits := tree.Limits{Size: fetchBody}
	var t []byte
	switch {
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		t, err = limits.AppendJSON(nil, body)
	case kind == "application/xml" || kind == "text/xml" || strings.HasSuffix(kind, "+xml"):
		t, err = limits.AppendXML(nil, string(body))
	}
	if err != nil {
		return nil
	}
	return t
}

// fault turns the client's error into one for the guest. A refusal of dial or
// redirect is in its chain. What the network does may be better later.
func (f *fetcher) fault(ctx context.Context, err error) error {
	var refusal *StatusError
	if errors.As(err, &refusal) {
		return refusal
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the URL, which may hold a secret
	}
	const op = hostapi.HostFetch
	if ctx.Err() != nil {
		return &StatusError{Status: hostapi.Retry, Code: "timeout", Message: op.String() + ": no answer in time", Err: err}
	}
	return &StatusError{Status: hostapi.Retry, Code: "network", Message: op.String() + ": " + clip(err.Error(), 256), Err: err}
}
