package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/openapi"
)

const pluginsPath = "/api/v1/plugins"

// PluginPage is a page of the list of plugins.
type PluginPage struct {
	Plugins []plugin.Info `json:"plugins" nullable:"false"`
	Next    string        `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

// Named names the plugin in a path.
type Named struct {
	Name string `path:"name" maxLength:"64" doc:"Name of the plugin"`
}

type infoOutput struct{ Body plugin.Info }

// pluginOperations declares what an administrator does with plugins. p is nil
// when only the description is wanted, or when the server has no plugins.
func pluginOperations(api huma.API, p Plugins) {
	op := func(method, path, id, summary, about string, statuses ...int) huma.Operation {
		return operation(method, pluginsPath+path, id, "plugins", summary, huma.Operation{
			Description: about, Responses: errorsOf(api, append(statuses, http.StatusServiceUnavailable)...),
		})
	}
	const bad, missing, clash = http.StatusBadRequest, http.StatusNotFound, http.StatusConflict

	huma.Register(api, op("GET", "", "plugins", "All plugins", "By name, with their states.", bad),
		func(_ context.Context, in *struct{ Paging }) (*struct{ Body PluginPage }, error) {
			if p == nil {
				return &struct{ Body PluginPage }{PluginPage{Plugins: []plugin.Info{}}}, nil
			}
			return &struct{ Body PluginPage }{pageOfPlugins(p.List(), in.Paging)}, nil
		})

	huma.Register(api, op("GET", "/{name}", "plugin", "One plugin",
		"Its state and why, its settings and where each comes from, its routes, counts and latest changes.", missing),
		func(_ context.Context, in *Named) (*infoOutput, error) { return shown(p, in.Name, nil) })

	huma.Register(api, op("POST", "/{name}/enable", "plugin-enable", "Switch a plugin on",
		"It is active, or its state says why not, a moment later.", missing, clash),
		func(ctx context.Context, in *Named) (*infoOutput, error) {
			return shown(p, in.Name, func() error { return p.Enable(ctx, in.Name) })
		})

	huma.Register(api, op("POST", "/{name}/disable", "plugin-disable", "Switch a plugin off",
		"Its routes are gone with the answer. A plugin that others need is switched off only with force.", missing, clash),
		func(ctx context.Context, in *struct {
			Named
			Force bool `query:"force" doc:"Also when others need it"`
		}) (*infoOutput, error) {
			return shown(p, in.Name, func() error { return p.Disable(ctx, in.Name, in.Force) })
		})

	huma.Register(api, op("POST", "/{name}/reset", "plugin-reset", "Forget settings made at runtime",
		"What the configuration file, the environment and the flags say holds again.", missing, bad, clash),
		func(ctx context.Context, in *struct {
			Named
			Key string `query:"key" doc:"One setting, such as enabled, grant.events.read or config.period; none: all"`
		}) (*infoOutput, error) {
			return shown(p, in.Name, func() error { return p.Reset(ctx, in.Name, in.Key) })
		})

	huma.Register(api, op("DELETE", "/{name}", "plugin-remove", "Remove a plugin",
		"With all that it stored. A plugin that others need is removed only with force.", missing, clash),
		func(ctx context.Context, in *struct {
			Named
			Force bool `query:"force" doc:"Also when others need it"`
		}) (*struct{}, error) {
			return nil, done(p, func() error { return p.Remove(ctx, in.Name, in.Force) })
		})

	huma.Register(api, op("PUT", "/{name}/grant", "plugin-grant", "Grant capabilities",
		"Written as in a manifest, and in the place of all that was granted at runtime before: "+
			"{\"events.read\": [\"a-f-*\"], \"store\": {\"bytes\": \"64MiB\"}}.", bad, missing, clash, http.StatusForbidden),
		func(ctx context.Context, in *struct {
			Named
			Body map[string]any
		}) (*infoOutput, error) {
			var grant manifest.Capabilities
			if err := grant.Decode("body", in.Body); err != nil {
				return nil, invalid(strings.Split(err.Error(), "\n"))
			}
			return shown(p, in.Name, func() error { return p.SetGrant(ctx, in.Name, hostapi.Grants(grant)) })
		})

	huma.Register(api, op("PUT", "/{name}/limits", "plugin-limits", "Set limits",
		"Written as in a manifest, and in the place of all that was set at runtime before: {\"memory\": \"128MiB\", \"eventsTime\": \"1s\"}.", bad, missing, clash),
		func(ctx context.Context, in *struct {
			Named
			Body map[string]any
		}) (*infoOutput, error) {
			return shown(p, in.Name, func() error { return p.SetLimits(ctx, in.Name, in.Body) })
		})

	huma.Register(api, op("PUT", "/{name}/config", "plugin-config", "Set the plugin's own configuration",
		"In the place of all that was set at runtime before. It is checked by the schema in the plugin's manifest.", bad, missing, clash),
		func(ctx context.Context, in *struct {
			Named
			Body map[string]any
		}) (*infoOutput, error) {
			return shown(p, in.Name, func() error { return p.SetConfig(ctx, in.Name, in.Body) })
		})

	installOperations(api, p, op)
	deadLetterOperations(api, p, op)
}

// done runs a change, and makes the answer for its error.
func done(p Plugins, change func() error) error {
	if p == nil {
		return newProblem(http.StatusServiceUnavailable, "this server runs without plugins")
	}
	if err := change(); err != nil {
		return problemOfChange(err)
	}
	return nil
}

// problemOfChange makes the answer for a change that failed. That a plugin does
// not do as it should is no failure of the server's, and whoever changes it has
// to know why.
func problemOfChange(err error) *Problem {
	var e *call.StatusError
	refused := errors.As(err, &e)
	if routes := (*openapi.Refused)(nil); errors.As(err, &routes) || guest.ReasonOf(err) != "" || refused && e.Status.HTTP() == http.StatusInternalServerError {
		return newProblem(http.StatusConflict, err.Error())
	}
	p := problemOfPlugin(err)
	if refused {
		p.Detail = err.Error()
	}
	return p
}

// shown runs a change, if there is one, and shows the plugin then.
func shown(p Plugins, name string, change func() error) (*infoOutput, error) {
	var info plugin.Info
	err := done(p, func() (err error) {
		if change != nil {
			if err := change(); err != nil {
				return err
			}
		}
		info, err = p.Show(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &infoOutput{info}, nil
}

func pageOfPlugins(all []plugin.Info, page Paging) PluginPage {
	slices.SortFunc(all, func(a, b plugin.Info) int { return strings.Compare(a.Name, b.Name) })
	list := PluginPage{Plugins: []plugin.Info{}}
	for i := range all {
		switch {
		case all[i].Name <= page.After:
		case len(list.Plugins) == page.Limit:
			list.Next = list.Plugins[page.Limit-1].Name
			return list
		default:
			list.Plugins = append(list.Plugins, all[i])
		}
	}
	return list
}

// reloadOperation declares the reload of the configuration.
func reloadOperation(api huma.API, reload func(context.Context) error) {
	huma.Register(api, operation("POST", "/api/v1/config/reload", "config-reload", "server", "Read the configuration again", huma.Operation{
		Description: "Applies what can be changed at runtime, without dropping a connection. If anything in it is wrong, nothing changes.",
		Responses:   errorsOf(api, http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusNotImplemented),
	}), func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		if reload == nil {
			return nil, newProblem(http.StatusNotImplemented, "this server cannot reload its configuration")
		}
		if err := reload(ctx); err != nil {
			return nil, problemOfChange(err)
		}
		return nil, nil
	})
}

// actionOperations declares the way to actions that plugins make public
// (spec/rest.md 2, /v2).
func actionOperations(api huma.API, p Plugins, sets []plugin.Routes, log *slog.Logger) {
	public := map[string]*manifest.Action{}
	for _, s := range sets {
		for i := range s.Manifest.Provides {
			if a := &s.Manifest.Provides[i]; a.Public {
				public[s.Plugin+"/"+a.Name] = a
			}
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		op := operation(method, "/v2/{context}/{action}", "action-"+strings.ToLower(method), "actions", "Run an action of a plugin", huma.Operation{
			Description: "Only actions that the plugin's manifest marks public. The body, if there is one, is a JSON object whatever its content type. " +
				"GET runs only actions that change nothing.",
			Responses: errorsOf(api, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable),
		})
		op.RejectUnknownQueryParameters = false
		op = openapi.Anyone(op)
		huma.Register(api, op, func(_ context.Context, in *struct {
			Context string `path:"context" maxLength:"64" doc:"Name of the plugin"`
			Action  string `path:"action" maxLength:"64" doc:"Name of the action"`
		}) (*huma.StreamResponse, error) {
			a := public[in.Context+"/"+in.Action]
			if a == nil {
				return nil, newProblem(http.StatusNotFound, "there is no public action "+clip(in.Context+"/"+in.Action))
			}
			return runAction(p, in.Context, a, log), nil
		})
		takesBody(api, &op, &huma.RequestBody{Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{Type: "object", AdditionalProperties: true}},
		}})
	}
}
