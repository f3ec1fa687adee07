package web

import (
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/takhost/takhost/core/plugin/run"
)

// writeChunk is how many bytes a client must take within answerWait.
const writeChunk = 128 << 10

// serveFile answers with a file or parts of it. Its hash is the ETag, so that
// whoever has it need not get it again.
func serveFile(w http.ResponseWriter, r *http.Request, f *run.Download) {
	h := w.Header()
	if h.Get("ETag") == "" {
		h.Set("ETag", `"`+f.Hash+`"`)
	}
	if h.Get("Cache-Control") == "no-store" {
		// It may be kept, if it is asked for each time whether it may.
		h.Set("Cache-Control", "private, no-cache")
	}
	if f.FileName != "" && h.Get("Content-Disposition") == "" {
		h.Set("Content-Disposition", attachment(f.FileName))
	}
	modified := f.Modified()
	// What a URL stands for may change to a file that came earlier: the plugin knows.
	if t, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
		modified = t
	}
	out := &patientResponse{ResponseWriter: w, patient: patientWriter{w: w, rc: http.NewResponseController(w)}}
	// The *os.File itself: the system copies it to a plain connection.
	http.ServeContent(out, r, "", modified, f.File)
}

// attachment names a download, also for clients that know ASCII alone.
func attachment(name string) string {
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

// patientResponse is a patientWriter that is a ResponseWriter and has large files
// copied by the system, a piece at a time.
type patientResponse struct {
	http.ResponseWriter
	patient patientWriter
}

func (p *patientResponse) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *patientResponse) Write(b []byte) (int, error) { return p.patient.Write(b) }

// ReadFrom implements io.ReaderFrom.
func (p *patientResponse) ReadFrom(r io.Reader) (total int64, err error) {
	limited, ok := r.(*io.LimitedReader)
	from, direct := p.ResponseWriter.(io.ReaderFrom)
	if !ok || !direct {
		return io.Copy(struct{ io.Writer }{p}, r)
	}
	for limited.N > 0 {
		if err := p.patient.rc.SetWriteDeadline(time.Now().Add(answerWait)); err != nil {
			return total, err
		}
		want := min(limited.N, writeChunk)
		n, err := from.ReadFrom(&io.LimitedReader{R: limited.R, N: want})
		total, limited.N = total+n, limited.N-n
		if err != nil || n < want {
			return total, err
		}
	}
	return total, nil
}
