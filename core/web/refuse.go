package web

import (
	"net/http"
	"strings"
)

// refuse answers with a problem in the form that an operation declares.
func refuse(w http.ResponseWriter, form string, p *Problem) {
	if h := w.Header(); form == "fts" && p.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", `Bearer realm="Authentication Required"`) // spec/rest.md 1.2
	}
	p.WriteAs(w, form)
}

// refuseUnknown answers where there is no operation.
func refuseUnknown(w http.ResponseWriter, r *http.Request, p *Problem) {
	form := ""
	if strings.HasPrefix(r.URL.Path, "/Marti/") {
		form = "marti"
	}
	refuse(w, form, p)
}
