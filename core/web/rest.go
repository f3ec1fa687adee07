package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyWait bounds the answer of /readyz: a probe that hangs says nothing.
const readyWait = 5 * time.Second

// pagesOf gives health and metrics, which nobody has to log in for: /healthz
// tells that the process lives, /readyz whether clients are served.
func pagesOf(opt Options) map[string]http.Handler {
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
