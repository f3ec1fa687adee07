package web

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDescription looks at what the description of the core is made of.
func TestDescription(t *testing.T) {
	describe := func() string {
		d, err := Document("v1", nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(d.JSON())
	}
	text := describe()
	if again := describe(); again != text {
		t.Errorf("two descriptions differ:\n%s", cmp.Diff(text, again))
	}
	var got struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Tags        []string
			Responses   map[string]struct{ Content map[string]any }
			Parameters  []struct{ Name string }
			Listeners   []string `json:"x-takhost-listeners"`
		}
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for path, item := range got.Paths {
		for method, op := range item {
			var answers, params []string
			for status, r := range op.Responses {
				answers = append(answers, status+strings.Join(slices.Sorted(maps.Keys(r.Content)), ","))
			}
			for _, p := range op.Parameters {
				params = append(params, p.Name)
			}
			slices.Sort(answers)
			answer := strings.ReplaceAll(strings.ReplaceAll(strings.Join(answers, " "), "application/problem+json", ""), "application/json", " JSON")
			lines = append(lines, path+" "+method+" "+op.OperationID+" ("+strings.Join(params, " ")+") "+answer)
			if len(op.Tags) != 1 || strings.Join(op.Listeners, " ") != "rest web" {
				t.Errorf("%s %s: got tags %v and listeners %v", method, path, op.Tags, op.Listeners)
			}
		}
	}
	slices.Sort(lines)
	want := strings.Split(strings.TrimSpace(`
/api/v1/clients get clients (limit after) 200 JSON 400 default
/api/v1/config/reload post config-reload () 204 400 403 409 501 default
/api/v1/events get events (uid type from to box group order limit after) 200 JSON 400 404 503 default
/api/v1/events/live get events-live (uid type box) 200text/event-stream 400 default
/api/v1/live get live (stream) 200text/event-stream 400 503 default
/api/v1/plugins get plugins (limit after) 200 JSON 400 503 default
/api/v1/plugins post plugin-install (sha256) 200 JSON 400 409 413 503 default
/api/v1/plugins/{name} delete plugin-remove (name force) 204 404 409 503 default
/api/v1/plugins/{name} get plugin (name) 200 JSON 404 503 default
/api/v1/plugins/{name}/config put plugin-config (name) 200 JSON 400 404 409 503 default
/api/v1/plugins/{name}/dead-letters get dead-letters (name limit after) 200 JSON 400 404 503 default
/api/v1/plugins/{name}/dead-letters/{id} delete dead-letter-remove (name id) 204 404 503 default
/api/v1/plugins/{name}/dead-letters/{id} get dead-letter (name id) 200 JSON 404 503 default
/api/v1/plugins/{name}/dead-letters/{id}/retry post dead-letter-retry (name id) 204 404 503 default
/api/v1/plugins/{name}/disable post plugin-disable (name force) 200 JSON 404 409 503 default
/api/v1/plugins/{name}/enable post plugin-enable (name) 200 JSON 404 409 503 default
/api/v1/plugins/{name}/grant put plugin-grant (name) 200 JSON 400 403 404 409 503 default
/api/v1/plugins/{name}/limits put plugin-limits (name) 200 JSON 400 404 409 503 default
/api/v1/plugins/{name}/reset post plugin-reset (name key) 200 JSON 400 404 409 503 default
/api/v1/plugins/{name}/swap post plugin-swap (name sha256) 200 JSON 400 403 404 409 413 503 default
/api/v1/status get status () 200 JSON 500 default
/api/v1/stream get stream (Connection Upgrade) 101 default
/v2/{context}/{action} get action-get (context action) 200 400 403 404 503 default
/v2/{context}/{action} post action-post (context action) 200 400 403 404 503 default
`), "\n")
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
	if _, ok := got.Components.Schemas["ErrorModel"]; ok || strings.Contains(text, "$schema") {
		t.Error("the description has errors of another form, or $schema")
	}
}
