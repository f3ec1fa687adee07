package taktest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/web"
)

// SetPlugins writes the configuration file anew, with these lines below
// "plugins:". It counts from the next start or reload on.
func (s *Server) SetPlugins(t testing.TB, yaml string) {
	t.Helper()
	text := "plugins: {}\n"
	if strings.TrimSpace(yaml) != "" {
		text = "plugins:\n" + yaml + "\n"
	}
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Answer is the answer to a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Decode reads the JSON of the body.
func (a *Answer) Decode(t testing.TB, to any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, to); err != nil {
		t.Fatalf("%v in %s", err, a.Body)
	}
}

// Problem gives what the body says is wrong, empty if it is no problem.
func (a *Answer) Problem() string {
	var p web.Problem
	if a.Status < 400 || json.Unmarshal(a.Body, &p) != nil {
		return ""
	}
	return p.Detail
}

// Do sends a request to the admin socket. body is sent as it is if it is bytes,
// else as JSON; nil is none. It may be called from any goroutine.
func (a *Admin) Do(method, path string, body any) (*Answer, error) {
	var in io.Reader
	contentType := "application/octet-stream"
	switch b := body.(type) {
	case nil:
	case []byte:
		in = bytes.NewReader(b)
	default:
		doc, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		in, contentType = bytes.NewReader(doc), "application/json"
	}
	req, err := http.NewRequest(method, "http://takhost"+path, in)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", contentType)
	}
	client := *a.http
	client.Timeout = 5 * time.Minute // to compile a plugin while others use the machine
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := &Answer{Status: resp.StatusCode, Header: resp.Header}
	out.Body, err = io.ReadAll(resp.Body)
	return out, err
}

// Must is Do for a request that must succeed.
func (a *Admin) Must(t testing.TB, method, path string, body any) *Answer {
	t.Helper()
	answer, err := a.Do(method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if answer.Status < 200 || answer.Status > 299 {
		t.Fatalf("%s %s: got %d %s", method, path, answer.Status, answer.Body)
	}
	return answer
}

const plugins = "/api/v1/plugins"

// Plugin shows a plugin.
func (a *Admin) Plugin(t testing.TB, name string) (info plugin.Info) {
	t.Helper()
	a.Must(t, "GET", plugins+"/"+name, nil).Decode(t, &info)
	return info
}

// Install installs a plugin, grants it all that it asks for, switches it on and
// waits until it is active.
func (a *Admin) Install(t testing.TB, pkg []byte) plugin.Info {
	t.Helper()
	info := a.InstallOff(t, pkg)
	a.Must(t, "PUT", plugins+"/"+info.Name+"/grant", info.Ask)
	a.Must(t, "POST", plugins+"/"+info.Name+"/enable", nil)
	return a.Reaches(t, info.Name, plugin.Active)
}

// InstallOff installs a plugin and no more.
func (a *Admin) InstallOff(t testing.TB, pkg []byte) (info plugin.Info) {
	t.Helper()
	a.Must(t, "POST", plugins, pkg).Decode(t, &info)
	return info
}

// Swap puts another version in the place of the one that runs.
func (a *Admin) Swap(name string, pkg []byte) (*Answer, error) {
	return a.Do("POST", plugins+"/"+name+"/swap", pkg)
}

// Remove removes a plugin with all that it stored.
func (a *Admin) Remove(t testing.TB, name string) {
	t.Helper()
	a.Must(t, "DELETE", plugins+"/"+name, nil)
}

// pluginWait bounds how long a plugin may take to come into a state.
const pluginWait = time.Minute

// Reaches waits until a plugin is in a state.
func (a *Admin) Reaches(t testing.TB, name string, s plugin.State) plugin.Info {
	t.Helper()
	return a.Shows(t, name, "is "+string(s), func(i *plugin.Info) bool { return i.State == s })
}

// Shows waits until what is shown of a plugin is as ok wants it.
func (a *Admin) Shows(t testing.TB, name, what string, ok func(*plugin.Info) bool) plugin.Info {
	t.Helper()
	limit := time.NewTimer(pluginWait)
	defer limit.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		info := a.Plugin(t, name)
		if ok(&info) {
			return info
		}
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatalf("the plugin %s: not so after %v: %s; it is %s (%s), %+v", name, pluginWait, what, info.State, info.Reason, info.Counts)
		}
	}
}
