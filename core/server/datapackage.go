package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/tree"
	"github.com/takhost/takhost/hostapi/wire"
)

// dataPackage asks the plugin files where phones get the data package of a hash, for
// whoever sends the request. It implements fts.Deps.DataPackage.
func (s *Server) dataPackage(ctx context.Context, hash string) (string, error) {
	ask, err := json.Marshal(map[string]string{"hash": hash})
	if err != nil {
		return "", fmt.Errorf("ask for a data package: %w", err)
	}
	doc, err := tree.AppendJSON(nil, ask)
	if err != nil {
		return "", fmt.Errorf("ask for a data package: %w", err)
	}
	res, err := s.host.Action(ctx, "files", "package-url", &wire.Action{Version: 1, Tree: doc, Caller: web.CallerOf(ctx)})
	var refused *call.StatusError
	switch {
	case err == nil:
	case errors.As(err, &refused) && refused.Status == hostapi.NotFound:
		return "", &store.Error{Code: store.NotFound, Msg: refused.Message}
	case errors.As(err, &refused) && refused.Status == hostapi.Retry:
		return "", &store.Error{Code: store.Unavailable, Msg: refused.Message}
	default:
		return "", fmt.Errorf("ask for a data package: %w", err)
	}
	var answer struct{ URL string }
	if err := json.Unmarshal(res.Body, &answer); err != nil {
		return "", fmt.Errorf("read where a data package is: %w", err)
	}
	return answer.URL, nil
}
