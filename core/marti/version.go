package marti

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const tagServer = "server"

// ServerConfig is what ATAK reads to learn what the server can (2).
type ServerConfig struct {
	Version  string `json:"version"`
	API      string `json:"api" example:"3"`
	Hostname string `json:"hostname"`
}

// VersionInfo is the version in numbers.
type VersionInfo struct {
	Major   int    `json:"major"`
	Minor   int    `json:"minor"`
	Patch   int    `json:"patch"`
	Branch  string `json:"branch"`
	Variant string `json:"variant"`
}

// FileConfig tells how large a file may be.
type FileConfig struct {
	UploadSizeLimit int `json:"uploadSizeLimit" doc:"MiB"`
}

func (a *api) versionOperations() {
	get := func(path, id, summary, doc string) op {
		return op{
			method: http.MethodGet, path: path, id: id, summary: summary, doc: doc, tag: tagServer,
			on: onAll, answers: okAs(textType, "As text"),
		}
	}
	o := get("/", "root", "Whether the server is there", "The text that FreeTAKServer answers with.")
	o.on = onMarti
	o.answers = okAs(htmlType, "As text")
	add(a, o, func(*call, *none) (*reply, error) {
		return &reply{contentType: htmlType, body: []byte("hello world")}, nil
	})
	o = get("/Alive", "alive", "Whether the server is there, for probes", "The text that FreeTAKServer answers with.")
	o.on = onMarti
	add(a, o, func(*call, *none) (*reply, error) { return text("DataPackage service alive"), nil })

	add(a, get("/Marti/api/version", "version", "Version", "ATAK takes no text without the words TAK Server."),
		func(c *call, _ *none) (*reply, error) { return text("TAK Server " + c.Version), nil })
	add(a, get("/Marti/api/ver", "ver", "Version of the program", ""),
		func(c *call, _ *none) (*reply, error) { return text(c.Version), nil })
	add(a, get("/Marti/api/node/id", "node-id", "Id of the server", "The same for ever."),
		func(c *call, _ *none) (*reply, error) { return text(c.NodeID), nil })
	add(a, get("/Marti/GetTime", "time", "Time of the server", "UTC, with milliseconds."),
		func(c *call, _ *none) (*reply, error) { return text(stamp(c.Now())), nil })

	o = get("/Marti/api/version/config", "version-config", "What the server can", "")
	o.answers = ok[envelope[ServerConfig]](a, "The configuration")
	add(a, o, func(c *call, _ *none) (*reply, error) {
		return enveloped(c.api, "ServerConfig", ServerConfig{Version: c.Version, API: "3", Hostname: c.hostname()})
	})
	o = get("/Marti/api/version/info", "version-info", "Version in numbers", "")
	o.answers = ok[VersionInfo](a, "The version")
	add(a, o, func(c *call, _ *none) (*reply, error) { return bare(versionInfo(c.Version)) })

	o = get("/files/api/config", "files-config", "How large a file may be", "")
	o.answers = ok[FileConfig](a, "The limit")
	add(a, o, func(c *call, _ *none) (*reply, error) { return bare(FileConfig{c.UploadSize}) })
}

// hostname is the name under which the client reached the server.
func (c *call) hostname() string {
	if u, err := url.Parse(c.caller.BaseURL); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return "localhost"
}

// versionInfo reads 1.2.3-branch; what is not there is 0.
func versionInfo(version string) VersionInfo {
	v := VersionInfo{}
	version = strings.TrimPrefix(version, "v")
	version, v.Branch, _ = strings.Cut(version, "-")
	to := []*int{&v.Major, &v.Minor, &v.Patch}
	for i, part := range strings.SplitN(version, ".", len(to)) {
		if n, err := strconv.Atoi(part); err == nil && n >= 0 {
			*to[i] = n
		}
	}
	return v
}
