package plugin

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/takhost/takhost/core/plugin/pack"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/tree"
)

// target is what a plugin is to be: its package and its settings made out, each
// by itself. Whether it gets on with other plugins is seen when it is activated.
// A target does not change.
type target struct {
	name    string
	set     merged
	source  string        // shipped, installed, or a file
	pkg     *pack.Package // nil: err says why
	limits  manifest.Limits
	config  map[string]any // with the manifest's defaults
	tree    []byte         // the same as a hostapi.Tree
	grants  hostapi.Grants // what it has
	missing []string       // what it asks for and is not granted
	values  []Value
	err     error // why it cannot run; nil: nothing speaks against it so far
}

// resolve makes out what the layers say of a plugin. pin is the digest with which
// a file was first seen.
func (l *library) resolve(name string, layers []layer, pin pin) *target {
	t := &target{name: name, set: merge(layers)}
	t.source = t.set.source
	if t.source == "" {
		t.source = sourceShipped
	}
	digest := t.set.sha256
	if digest == "" && pin.Source == t.source {
		digest = pin.SHA256
	}
	t.pkg, t.err = l.get(name, t.source, digest)
	if t.err != nil {
		t.values = t.set.values(nil)
		return t
	}
	m := t.pkg.Manifest
	t.err = t.settle(m, l.shipped[name] == t.pkg)
	t.values = slices.Concat(t.set.values(m.Config), t.defaults())
	slices.SortFunc(t.values, func(a, b Value) int { return strings.Compare(a.Key, b.Key) })
	return t
}

// settle checks what the layers say against the manifest. All that is wrong is
// told at once.
func (t *target) settle(m *manifest.Manifest, shipped bool) error {
	var faults []string
	note := func(err error) {
		if err != nil {
			faults = append(faults, err.Error())
		}
	}
	t.grants = effective(m.Grants(), t.set.grant)
	t.missing = hostapi.Missing(m.Grants(), t.set.grant)
	var limits []string
	var err error
	t.limits, limits, err = limitsInForce(m, t.set.limits, shipped)
	t.missing = append(t.missing, limits...)
	prefix := "plugins." + t.name + "."
	note(t.set.located(prefix, err))
	applied, err := m.Config.Apply(prefix+"config", t.set.config)
	note(t.set.located(prefix, err))
	if err == nil {
		t.config, _ = applied.(map[string]any) // the schema of a section is an object
		t.tree, err = treeBytes(t.config)
		note(err)
	}
	if len(faults) > 0 {
		return invalid("%s", strings.Join(faults, "\n"))
	}
	if len(t.missing) > 0 {
		return forbidden("it asks for what is not granted:\n%s", strings.Join(t.missing, "\n"))
	}
	return nil
}

// treeBytes gives a section of the config in the form in which a plugin reads it.
func treeBytes(config map[string]any) ([]byte, error) {
	b, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	out, err := tree.Limits{Size: maxConfig, Depth: 32}.AppendJSON(nil, b)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return out, nil
}

// maxConfig is how many bytes of JSON a plugin's section may have.
const maxConfig = 1 << 20

// effective is what a plugin has of what it was granted: what it asked for, since
// it was written for no more. Numbers are the operator's, whose disk and network
// they bound.
func effective(ask, grant hostapi.Grants) hostapi.Grants {
	out := hostapi.Grants{}
	for c, scope := range ask {
		given, granted := grant[c]
		if !granted {
			continue
		}
		for _, k := range c.Keys() {
			if n := given.Amount(k.Name); n != nil && *n != 0 {
				*scope.Amount(k.Name) = *n
			}
		}
		out[c] = scope
	}
	return out
}

// ceiling has the limits that a manifest may ask for without being asked back.
var ceiling = manifest.Limits{
	Memory: hostapi.DefaultMemory, QueueEvents: hostapi.DefaultQueueEvents, QueueBytes: hostapi.DefaultQueueBytes,
	BatchEvents: 1024, Emits: 4 * hostapi.DefaultEmits, HostCalls: 10 * hostapi.DefaultHostCalls, Snapshot: hostapi.DefaultSnapshotBytes,
	EventsTime: manifest.Duration(4 * hostapi.DefaultEventsDeadline), HTTPTime: manifest.Duration(6 * hostapi.DefaultHTTPDeadline),
	InitTime: manifest.Duration(6 * hostapi.DefaultInitDeadline), Instances: 64,
}

// limitsInForce gives the operator's limits, and else the manifest's. What a
// manifest asks beyond the ceiling must be granted by setting it, unless the
// plugin comes with the server.
func limitsInForce(m *manifest.Manifest, set map[string]any, shipped bool) (in manifest.Limits, missing []string, err error) {
	own, err := readLimits("limits", set)
	if err != nil {
		return in, nil, err
	}
	usual := ceiling
	if m.Runtime == "process" {
		usual.Memory = hostapi.DefaultProcessMemory
	}
	a, o, most := reflect.ValueOf(m.Limits), reflect.ValueOf(own), reflect.ValueOf(usual)
	to := reflect.ValueOf(&in).Elem()
	for i := range to.NumField() {
		key := to.Type().Field(i).Tag.Get("json")
		wanted := a.Field(i).Int()
		switch {
		case o.Field(i).Int() != 0:
			to.Field(i).SetInt(o.Field(i).Int())
			continue
		case !shipped && wanted > most.Field(i).Int():
			missing = append(missing, fmt.Sprintf("limits.%s: %s is asked for, which is more than usual: set it to say how much", key, limitText(a.Field(i))))
		}
		to.Field(i).SetInt(wanted)
	}
	return in, missing, nil
}

func limitText(v reflect.Value) string {
	switch n := v.Interface().(type) {
	case manifest.Duration:
		return durationText(n)
	case manifest.Bytes:
		if n%(1<<20) == 0 {
			return fmt.Sprintf("%dMiB", n>>20)
		}
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprint(v.Int())
}

// defaults lists what holds although nobody set it: limits and config of the
// manifest.
func (t *target) defaults() []Value {
	var list []Value
	v := reflect.ValueOf(t.pkg.Manifest.Limits)
	for i := range v.NumField() {
		key := "limits." + v.Type().Field(i).Tag.Get("json")
		if _, set := t.set.origin[key]; !set && v.Field(i).Int() != 0 {
			list = append(list, Value{Key: key, Value: limitText(v.Field(i)), Origin: fromManifest})
		}
	}
	leaves := leavesOf(t.config)
	for _, path := range slices.Sorted(maps.Keys(leaves)) {
		if t.set.where("config."+path) == "" {
			list = append(list, Value{Key: "config." + path, Value: hideSecrets(t.pkg.Manifest.Config, split(path), leaves[path]), Origin: fromManifest})
		}
	}
	if t.set.origin["source"] == "" {
		list = append(list, Value{Key: "source", Value: t.source, Origin: fromDefault})
	}
	if t.set.origin["enabled"] == "" {
		list = append(list, Value{Key: "enabled", Value: t.set.enabled, Origin: fromDefault})
	}
	return list
}

// change says what differs between two targets, as far as the running goes.
type change uint8

const (
	changeNone   change = iota
	changeConfig        // another config: the instance can be told
	changeAll           // another version, grant or limit: a swap
)

func (t *target) changeTo(next *target) change {
	switch {
	case t.pkg != next.pkg, !reflect.DeepEqual(t.grants, next.grants), t.limits != next.limits:
		return changeAll
	case !reflect.DeepEqual(t.tree, next.tree):
		return changeConfig
	}
	return changeNone
}

// same says whether nothing at all differs.
func (t *target) same(next *target) bool {
	return t.set.enabled == next.set.enabled && t.changeTo(next) == changeNone && errorText(t.err) == errorText(next.err)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// askedLimits gives the limits that a manifest names, as settings.
func askedLimits(l manifest.Limits) map[string]any {
	out := map[string]any{}
	v := reflect.ValueOf(l)
	for i := range v.NumField() {
		if v.Field(i).Int() == 0 {
			continue
		}
		key := v.Type().Field(i).Tag.Get("json")
		switch n := v.Field(i).Interface().(type) {
		case manifest.Duration:
			out[key] = durationText(n)
		default:
			out[key] = v.Field(i).Int()
		}
	}
	return out
}
