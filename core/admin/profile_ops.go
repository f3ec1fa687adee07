package admin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/web"
)

const anyType = "application/octet-stream"

// profileFiles are the operations on single files.
func (r registrar) profileFiles() {
	const tag = "profiles"
	p := r.d.Profiles

	put := admins(r.op("PUT", "/profiles/{name}/files/{file}", "profile-file-put", tag, "Put a file into a device profile",
		"In the place of one of that name. It may be as large as limits.upload of the configuration allows, and counts for limits.files.",
		missing, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusInsufficientStorage))
	put.Responses["200"] = jsonAnswer[Profile](r, "The profile")
	body := &huma.RequestBody{Required: true, Description: "The file", Content: map[string]*huma.MediaType{anyType: {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}
	raw(r, put, body, func(x *exchange, in *InProfileFile) error {
		problem := web.TakeUpload(x.w, x.r, p.MaxFile(), func(from io.Reader) error {
			_, err := p.PutFile(x, actor(x), in.Name, in.File, x.r.ContentLength, from)
			return err
		})
		if problem != nil {
			return problem
		}
		v, err := p.Profile(in.Name)
		if err != nil {
			return err
		}
		return x.json(profileOf(&v))
	})

	get := operators(r.op("GET", "/profiles/{name}/files/{file}", "profile-file", tag, "A file of a device profile", "Or parts of it.", missing))
	get.Responses["200"] = binary("The file", anyType)
	raw(r, get, nil, func(x *exchange, in *InProfileFile) error {
		v, err := p.Profile(in.Name)
		if err != nil {
			return err
		}
		i := fileIn(&v, in.File)
		if i < 0 {
			return noFile(in.Name, in.File)
		}
		f := &v.Files[i]
		content, err := f.Open(func(hash string) (io.ReadSeekCloser, error) { return p.Open(x, hash) })
		if err != nil {
			return err
		}
		defer content.Close()
		h := x.w.Header()
		h.Set("Content-Type", anyType)
		h.Set("Content-Disposition", "attachment")
		web.ServeContent(x.w, x.r, f.Hash, f.Changed, content)
		return nil
	})

	huma.Register(r.api, admins(r.op("DELETE", "/profiles/{name}/files/{file}", "profile-file-remove", tag, "Take a file out of a device profile", "", missing)),
		func(ctx context.Context, in *InProfileFile) (*struct{}, error) {
			return nil, problemOf(p.RemoveFile(ctx, actor(ctx), in.Name, in.File))
		})
}

// preferences are the operations on the file of preferences.
func (r registrar) preferences() {
	const tag = "profiles"
	p := r.d.Profiles
	content := map[string]*huma.MediaType{"application/json": {
		Schema: &huma.Schema{Type: "object", AdditionalProperties: &huma.Schema{OneOf: []*huma.Schema{
			{Type: "string"}, {Type: "boolean"}, {Type: "integer", Format: "int64"}, {Type: "number", Format: "float"}, {Type: "array", Items: &huma.Schema{Type: "string"}},
		}}},
		Example: map[string]any{"locationTeam": "Blue", "displayServerConnectionWidget": true, "apiSecureServerPort": "8443"},
	}}

	get := operators(r.op("GET", "/profiles/{name}/preferences", "profile-preferences", tag, "Preferences of a device profile",
		"Those of its file "+onboard.PrefsFile+"; none, if it has no such file.", missing, clash))
	get.Responses["200"] = &huma.Response{Description: "Values by key", Content: content}
	raw(r, get, nil, func(x *exchange, in *InProfile) error {
		prefs, err := p.Preferences(x, in.Name)
		if err != nil {
			return err
		}
		return x.json(prefs)
	})

	put := admins(r.op("PUT", "/profiles/{name}/preferences", "profile-preferences-set", tag, "Give preferences to clients",
		"Makes the file "+onboard.PrefsFile+" of the profile, or another in its place, with exactly these; none removes it. "+
			"ATAK gets a text as String, true and false as Boolean, a whole number as Integer, or as Long beyond 32 bits, "+
			"a number with a point or an exponent as Float, and a list of texts as a set. It keeps most numbers that people type or choose as texts.",
		missing, http.StatusRequestEntityTooLarge, http.StatusInsufficientStorage))
	put.Responses["200"] = jsonAnswer[Profile](r, "The profile")
	raw(r, put, &huma.RequestBody{Required: true, Description: "Values by key", Content: content}, func(x *exchange, in *InProfile) error {
		problem := web.TakeUpload(x.w, x.r, onboard.MostPrefsSize, func(from io.Reader) error {
			text, err := io.ReadAll(io.LimitReader(from, onboard.MostPrefsSize+1))
			if err != nil {
				return err
			}
			if len(text) > onboard.MostPrefsSize {
				return web.ErrUploadTooLarge
			}
			var prefs onboard.Preferences
			if err := json.Unmarshal(text, &prefs); err != nil {
				return invalidf("body: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
			}
			return p.SetPreferences(x, actor(x), in.Name, prefs)
		})
		if problem != nil {
			return problem
		}
		v, err := p.Profile(in.Name)
		if err != nil {
			return err
		}
		return x.json(profileOf(&v))
	})
}
