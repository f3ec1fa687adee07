package web

import (
	"encoding/json"
	"net/http"
	"strings"
)

// refuse answers with a problem in the form that a route declares.
func refuse(w http.ResponseWriter, form string, p *Problem) {
	switch form {
	case "marti":
		writeMarti(w, p)
	case "fts":
		writeFTS(w, p)
	default:
		p.Write(w)
	}
}

// writeMarti writes an error as the official server does (spec/tak-mission.md
// 1). Of its internal numbers only that of "not found" is known, and no client
// reads them.
func writeMarti(w http.ResponseWriter, p *Problem) {
	body := struct {
		Status  string `json:"status"`
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{Status: strings.ToUpper(strings.ReplaceAll(p.Title, " ", "_")), Message: p.Detail}
	if p.Status == http.StatusNotFound {
		body.Code = 1
	}
	writeJSON(w, p.Status, body)
}

// writeFTS writes an error as FreeTAKServer does (spec/rest.md 1.2).
func writeFTS(w http.ResponseWriter, p *Problem) {
	if p.Status == http.StatusUnauthorized {
		h := w.Header()
		h.Set("WWW-Authenticate", `Bearer realm="Authentication Required"`)
		h.Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(p.Status)
		_, _ = w.Write([]byte("Unauthorized Access")) // an error means that the client is gone
		return
	}
	writeJSON(w, p.Status, struct {
		Message string `json:"message"`
	}{p.Detail})
}

// writeJSON answers with exactly application/json, as some clients compare it
// (spec/tak-mission.md 1).
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		b, status = []byte("{}"), http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // an error means that the client is gone
}
