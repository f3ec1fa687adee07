package onboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"time"
)

//go:embed pages
var pages embed.FS

// The pages' own styles, and the pages themselves. None changes.
var (
	pageStyle  = style("pages/style.css")
	sheetStyle = style("pages/sheet.css")
	templates  = template.Must(template.ParseFS(pages, "pages/*.html"))
)

func style(file string) template.CSS {
	b, err := pages.ReadFile(file)
	if err != nil {
		panic(err) // it is embedded
	}
	return template.CSS(b)
}

// PageCSP is the Content-Security-Policy for all pages of this package. They
// have no script; their two styles are named by hash.
func PageCSP() string {
	return "default-src 'none'; style-src " + hashOf(pageStyle) + " " + hashOf(sheetStyle) +
		"; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

func hashOf(css template.CSS) string {
	sum := sha256.Sum256([]byte(css))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// PageHeaders are the headers that go with every page: their addresses and their
// content hold secrets.
func PageHeaders() map[string]string {
	return map[string]string{
		"Content-Type":            "text/html; charset=utf-8",
		"Content-Security-Policy": PageCSP(),
		"Cache-Control":           "no-store",
		"Referrer-Policy":         "no-referrer",
		"X-Content-Type-Options":  "nosniff",
		"X-Robots-Tag":            "noindex",
	}
}

// write fills a page as a whole before the first byte goes out.
func write(w io.Writer, page string, data any) error {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, page, data); err != nil {
		return fmt.Errorf("page %s: %w", page, err)
	}
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("page %s: %w", page, err)
	}
	return nil
}

// picture makes the address of a QR code's picture within the page.
func picture(text string) (template.URL, error) {
	png, err := QRPNG(text, 360)
	if err != nil {
		return "", err
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(png)), nil
}

// until words a time; nobody knows the zone of who reads it.
func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04") + " UTC"
}
