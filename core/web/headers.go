package web

import (
	"errors"
	"mime"
	"net/http"
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

// setContentType says what an answer of a plugin is. What no parser of ours reads is
// bytes: browsers find a type in it all the same, and it may be one with scripts.
func setContentType(h http.Header, contentType string) {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		contentType, t = "application/octet-stream", "application/octet-stream"
	}
	h.Set("Content-Type", contentType)
	if !isInert(t) {
		h.Add("Content-Security-Policy", documentCSP)
	}
}

// isInert says whether content of that type is one in which no browser looks for
// scripts. All others get the policy, also those that are not known yet.
func isInert(t string) bool {
	switch t {
	case "application/json", "application/problem+json", "application/octet-stream", "application/pdf", "application/zip",
		"application/x-zip-compressed", "text/csv", "text/json", "text/plain":
		return true
	}
	kind, _, _ := strings.Cut(t, "/")
	return kind == "audio" || kind == "video" || kind == "image" && !strings.HasSuffix(t, "xml")
}
