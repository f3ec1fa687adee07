package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/takhost/takhost/core/store"
)

// dropWait bounds the removal of what came with a request that was refused.
const dropWait = 10 * time.Second

// uploaded holds the files of a request until it is answered. Who is refused must
// not fill the store: unless the answer is a success, they go before it is over,
// but for those that somebody keeps.
type uploaded struct {
	hold  *store.Hold // nil: the route takes no files
	log   *slog.Logger
	taken bool // the answer is a success
}

func (h *pluginRoute) uploaded() *uploaded {
	u := &uploaded{log: h.srv.opt.Log}
	if h.body.form == "blob" && h.srv.opt.Blobs != nil {
		u.hold = h.srv.opt.Blobs.Hold()
	}
	return u
}

// answered says with which status.
func (u *uploaded) answered(status int) {
	u.taken = status < http.StatusBadRequest // 0 is 200
}

// end may be called again.
func (u *uploaded) end() {
	if u.hold == nil {
		return
	}
	if u.taken {
		u.hold.End()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), dropWait) // also when the client has gone
	defer cancel()
	if err := u.hold.Drop(ctx); err != nil {
		u.log.Warn("files of a request that was refused not removed, they go later", slog.Any("err", err))
	}
}
