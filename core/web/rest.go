package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/takhost/takhost/openapi"
)

// readyWait bounds the answer of /readyz: a probe that hangs says nothing.
const readyWait = 5 * time.Second

// allPages gives what is open to all beside the descriptions.
func (s *Server) allPages() (list []openapi.Page) {
	for path, h := range s.machines {
		list = append(list, openapi.Page{Path: path, Listeners: []string{restListener}, Handler: h})
	}
	for path, h := range s.opt.WebPages {
		if path != "/" {
			list = append(list, openapi.Page{Path: path, Listeners: []string{webListener}, Handler: h, Posts: true})
		}
	}
	docs := http.RedirectHandler("/docs", http.StatusFound)
	landing := s.opt.WebPages["/"]
	return append(list, openapi.Page{Path: "/", Listeners: restListeners, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if landing != nil && ListenerOf(r.Context()) == webListener {
			landing.ServeHTTP(w, r)
			return
		}
		docs.ServeHTTP(w, r)
	})})
}

// machinesOf gives health and metrics, which nobody has to log in for: /healthz
// tells that the process lives, /readyz whether clients are served.
func machinesOf(opt Options) map[string]http.Handler {
	return map[string]http.Handler{
		"/metrics": promhttp.HandlerFor(opt.Gatherer, promhttp.HandlerOpts{
			ErrorLog:      slog.NewLogLogger(opt.Log.Handler(), slog.LevelError),
			ErrorHandling: promhttp.ContinueOnError,
		}),
		"/healthz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			plain(w, http.StatusOK, "ok")
		}),
		"/readyz": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), readyWait)
			defer cancel()
			if err := opt.Core.Ready(ctx); err != nil {
				plain(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
				return
			}
			plain(w, http.StatusOK, "ready")
		}),
	}
}

func plain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// An error here means that the client is gone.
	_, _ = io.WriteString(w, text+"\n")
}
