package web

import (
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/takhost/takhost/core/store"
)

// writeChunk is how many bytes a client must take within answerWait.
const writeChunk = 128 << 10

// serveFile answers with a file or parts of it. Its hash is the ETag, so that
// whoever has it need not get it again.
func serveFile(w http.ResponseWriter, r *http.Request, f *store.BlobReader) {
	h := w.Header()
	if h.Get("ETag") == "" {
		h.Set("ETag", `"`+f.Hash+`"`)
	}
	if h.Get("Cache-Control") == "no-store" {
		// It may be kept, if it is asked for each time whether it may.
		h.Set("Cache-Control", "private, no-cache")
	}
	modified := f.Modified()
	// What a URL stands for may change to a file that came earlier: the plugin knows.
	if t, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
		modified = t
	}
	// The *os.File itself: the system copies it to a plain connection.
	http.ServeContent(&patientResponse{w, newPatientWriter(w)}, r, "", modified, f.File)
}

// attachment names a download, also for clients that know ASCII alone. The name may
// be empty.
func attachment(name string) string {
	if name == "" {
		return "attachment"
	}
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '"' || r == '\\' || r == '/' {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	ascii := strings.Map(func(r rune) rune {
		if r > '~' {
			return '_'
		}
		return r
	}, clean)
	v := `attachment; filename="` + ascii + `"`
	if ascii != clean {
		_, star, _ := strings.Cut(mime.FormatMediaType("attachment", map[string]string{"filename": clean}), "; ")
		v += "; " + star
	}
	return v
}

// patientResponse is a ResponseWriter with a patientWriter's patience.
type patientResponse struct {
	http.ResponseWriter
	*patientWriter
}

func (p *patientResponse) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Write implements io.Writer.
func (p *patientResponse) Write(b []byte) (int, error) { return p.patientWriter.Write(b) }

// ReadFrom implements io.ReaderFrom: the system copies a file to a plain connection,
// a piece at a time.
func (p *patientWriter) ReadFrom(r io.Reader) (total int64, err error) {
	limited, ok := r.(*io.LimitedReader)
	from, direct := p.w.(io.ReaderFrom)
	if !ok || !direct {
		return io.Copy(struct{ io.Writer }{p}, r)
	}
	for limited.N > 0 {
		if err := p.wait(); err != nil {
			return total, err
		}
		want := min(limited.N, writeChunk)
		n, err := from.ReadFrom(&io.LimitedReader{R: limited.R, N: want})
		total, limited.N = total+n, limited.N-n
		if err != nil {
			p.err = err
			return total, err
		}
		if n < want {
			return total, nil
		}
	}
	return total, nil
}
