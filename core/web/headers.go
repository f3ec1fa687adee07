package web

import (
	"mime"
	"strings"
)

// ownHeaders are those that a plugin cannot set: those of the connection, and
// those with which it could speak for the server as a whole, or to a proxy in
// front of it.
var ownHeaders = map[string]bool{
	"connection": true, "content-length": true, "keep-alive": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
	"date": true, "server": true, "set-cookie": true, "strict-transport-security": true, "clear-site-data": true,
	"alt-svc": true, "nel": true, "report-to": true, "reporting-endpoints": true,
	"service-worker-allowed": true, "x-content-type-options": true, "x-sendfile": true,
}

// ownPrefixes are beginnings of such headers.
var ownPrefixes = []string{"access-control-", "proxy-", "x-accel-", "x-lighttpd-"}

func isOwnHeader(name string) bool {
	name = strings.ToLower(name)
	for _, p := range ownPrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return ownHeaders[name]
}

// documentCSP is for answers of plugins that a browser shows as a document and
// runs scripts of. What is in them may be somebody else's: the file of a client,
// the text of a chat. So they are shown without scripts and as from nowhere. A
// plugin's own pages are its static files.
const documentCSP = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"

// isDocument says whether a browser runs scripts in content of that type. XML
// counts, as it may be XHTML inside.
func isDocument(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		t, _, _ = strings.Cut(strings.ToLower(contentType), ";")
		t = strings.TrimSpace(t)
	}
	switch t {
	case "text/html", "text/xml", "application/xml", "text/xsl":
		return true
	}
	return strings.HasSuffix(t, "+xml")
}
