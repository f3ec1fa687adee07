package fts

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"image/png"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

// open declares what anybody gets, as its answers tell nothing (spec/rest.md
// 1.3, 2).
func (r registrar) open() {
	fixed := func(path, id, summary, body string) {
		r.add(openapi.Open(r.op("GET", path, id, summary, "", textType)),
			func(context.Context, *Request) *Reply { return text(http.StatusOK, body) })
	}
	fixed("/Alive", "alive", "The server answers", "API is running")
	fixed("/URL", "url", "Does nothing", "completed")
	// Theirs sleeps ten seconds first.
	fixed("/RecentCoT", "recent-cot", "Does nothing", "1234")

	r.add(openapi.Open(r.op("GET", "/manageAPI/getHelp", "help", "All paths", "Those of this description that have no parameters.", jsonType)),
		func(context.Context, *Request) *Reply {
			return asJSON(http.StatusOK, struct {
				APIVersion         string
				SupportedEndpoints []string
			}{"3", r.paths("/")})
		})

	r.add(openapi.Open(r.op("GET", "/ManageNotification/getNotification", "notifications", "Errors and emergencies",
		"Lists are empty for those who send no credentials: what FreeTAKServer tells anybody is for operators, and emergencies for those who may see them.", jsonType)),
		func(ctx context.Context, _ *Request) *Reply {
			n := Notices{}
			if c := web.CallerOf(ctx); r.d.Notices != nil && c.User != "" {
				if n = r.d.Notices(ctx, c); !slices.Contains(c.Roles, roleAdmin) && !slices.Contains(c.Roles, roleOperator) {
					n.LogErrors = nil
				}
			}
			return asJSON(http.StatusOK, struct {
				LogErrors   []string `json:"logErrors"`
				Emergencies []string `json:"emergencys"`
			}{append([]string{}, n.LogErrors...), append([]string{}, n.Emergencies...)})
		})

	qr := openapi.Open(r.op("GET", "/GenerateQR", "qr", "QR code of a data package's address",
		"Browsers show it as a picture, so it needs no credentials: who sends none gets that of a public package alone. The file itself is given by groups.", "image/jpeg"))
	qr.Parameters = []*huma.Param{param("datapackage_hash", "SHA-256 of the data package")}
	r.add(qr, r.qr)
}

// bases answer at the paths above those of features, where FreeTAKServer fails.
func (r registrar) bases() {
	for _, path := range []string{"/ManagePresence", "/ManageRoute", "/ManageGeoObject", "/ManageVideoStream", "/ManageChat", "/Sensor"} {
		r.add(openapi.Anyone(r.op("GET", path, "base-"+strings.ToLower(path[1:]), "Paths below this one", "", jsonType)),
			func(context.Context, *Request) *Reply {
				return asJSON(http.StatusOK, struct{ SupportedEndpoints []string }{r.paths(path + "/")})
			})
	}
}

// paths gives the paths of the whole description, those of plugins too, which
// begin so and have no parameters. It is complete when the first request comes.
func (r registrar) paths(prefix string) []string {
	list := []string{}
	for _, p := range slices.Sorted(maps.Keys(r.api.OpenAPI().Paths)) {
		if strings.HasPrefix(p, prefix) && !strings.Contains(p, "{") {
			list = append(list, p)
		}
	}
	return list
}

// qrSize is that of the picture, in pixels.
const qrSize = 512

func (r registrar) qr(ctx context.Context, q *Request) *Reply {
	hash := strings.ToLower(q.query("datapackage_hash"))
	switch {
	case r.d.DataPackage == nil:
		return asJSON(http.StatusNotFound, message{Message: "this server keeps no data packages"})
	case !isHash(hash):
		return asJSON(http.StatusNotFound, message{Message: "there is no data package with that hash"})
	}
	url, err := r.d.DataPackage(ctx, hash)
	switch store.CodeOf(err) {
	case store.NotFound:
		return asJSON(http.StatusNotFound, message{Message: r.reason(q, err)})
	case store.Unavailable:
		reply := asJSON(http.StatusServiceUnavailable, message{Message: r.reason(q, err)})
		reply.Retry = "5"
		return reply
	}
	var picture []byte
	if err == nil {
		picture, err = jpegQR(url)
	}
	if err != nil {
		return r.failed(q, "An error occurred generating the QR code.", err)
	}
	return &Reply{Status: http.StatusOK, ContentType: "image/jpeg", Body: picture}
}

func isHash(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

func jpegQR(text string) ([]byte, error) {
	b, err := onboard.QRPNG(text, qrSize)
	if err != nil {
		return nil, fmt.Errorf("draw the QR code: %w", err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("read the QR code: %w", err)
	}
	var out bytes.Buffer
	// Scanners stumble over the blur that JPEG makes of edges at lower qualities.
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 95}); err != nil {
		return nil, fmt.Errorf("write the QR code: %w", err)
	}
	return out.Bytes(), nil
}
