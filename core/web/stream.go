package web

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// streamProtocol is what a client asks to upgrade to.
const streamProtocol = "cot"

type streamInput struct {
	Connection string `header:"Connection" doc:"Upgrade"`
	Upgrade    string `header:"Upgrade" doc:"cot"`
}

// openStream turns an HTTP connection into a CoT stream.
func openStream(core Core, in *streamInput) (*huma.StreamResponse, error) {
	if !hasToken(in.Connection, "upgrade") || !hasToken(in.Upgrade, streamProtocol) {
		return nil, huma.ErrorWithHeaders(
			newProblem(http.StatusUpgradeRequired, "this is a stream: ask for it with the headers Connection: Upgrade and Upgrade: "+streamProtocol),
			http.Header{"Upgrade": {streamProtocol}, "Connection": {"Upgrade"}})
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := unwrap(ctx)
		if r.Method != http.MethodGet {
			newProblem(http.StatusMethodNotAllowed, "a stream is asked for by GET").Write(w)
			return
		}
		nc, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			newProblem(http.StatusBadRequest, "a stream needs HTTP/1.1 on a connection of its own").Write(w)
			return
		}
		defer nc.Close() // the core has closed it, or what is below it
		if _, err := fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", streamProtocol); err != nil {
			return // the client is gone
		}
		if buf.Reader.Buffered() > 0 {
			nc = &readAhead{Conn: nc, buf: buf.Reader}
		}
		cut, end := beginWatch(r.Context())
		defer end()
		defer onEnd(cut, func() { nc.Close() })()
		core.Stream(nc)
	}}, nil
}

// hasToken says whether a header that is a list holds token.
func hasToken(header, token string) bool {
	for t := range strings.SplitSeq(header, ",") {
		if strings.EqualFold(strings.TrimSpace(t), token) {
			return true
		}
	}
	return false
}

// readAhead is a connection of which the HTTP server has read more than the
// request, because the client did not wait for the answer.
type readAhead struct {
	net.Conn
	buf *bufio.Reader
}

func (c *readAhead) Read(b []byte) (int, error) { return c.buf.Read(b) }
