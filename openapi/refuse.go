package openapi

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Forms of errors. That of others is Problem.
const (
	formMarti = "marti"
	formFTS   = "fts"
)

const jsonType = "application/json"

// martiError is an error as the official server writes it (spec/tak-mission.md
// 1). Of its internal numbers only that of "not found" is known, and no client
// reads them.
type martiError struct {
	Status  string `json:"status"`
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// ftsError is an error as FreeTAKServer writes it (spec/rest.md 1.2).
type ftsError struct {
	Message string `json:"message"`
}

// as gives the body of the problem in a form, and its content type, which is
// exactly application/json where clients compare it (spec/client-quirks.md).
func (p *Problem) as(form string) (body any, contentType string) {
	switch form {
	case formMarti:
		e := martiError{Status: strings.ToUpper(strings.ReplaceAll(p.Title, " ", "_")), Message: p.Detail}
		if p.Status == http.StatusNotFound {
			e.Code = 1
		}
		return e, jsonType
	case formFTS:
		return ftsError{p.Detail}, jsonType
	}
	return p, ProblemType
}

// Write answers with the problem.
func (p *Problem) Write(w http.ResponseWriter) { p.WriteAs(w, "") }

// WriteAs answers with the problem in a form: problem, marti or fts.
func (p *Problem) WriteAs(w http.ResponseWriter, form string) {
	h := w.Header()
	if form == formFTS && p.Status == http.StatusUnauthorized {
		h.Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(p.Status)
		_, _ = w.Write([]byte("Unauthorized Access")) // an error means that the client is gone
		return
	}
	body, contentType := p.as(form)
	h.Set("Content-Type", contentType)
	w.WriteHeader(p.Status)
	// An error here means that the client is gone.
	_ = huma.DefaultJSONFormat.Marshal(w, body)
}
