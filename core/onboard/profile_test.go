package onboard

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestProfileValidate(t *testing.T) {
	good := Profile{Name: "base", Kind: OnEnrolment, Files: []File{{Name: "base.pref", Size: 1}}}
	tests := []struct {
		name   string
		change func(*Profile)
		want   []string // parts of the error; none: it is good
	}{
		{"good", func(*Profile) {}, nil},
		{"tool with folders", func(p *Profile) { p.Kind, p.Tool, p.Files[0].Name = OfTool, "maps", "a/b c.xml" }, nil},
		{"no name", func(p *Profile) { p.Name = "" }, []string{`profile ""`}},
		{"name with a slash", func(p *Profile) { p.Name = "a/b" }, []string{`profile "a/b"`}},
		{"kind", func(p *Profile) { p.Kind = "never" }, []string{`kind "never"`}},
		{"tool without a name", func(p *Profile) { p.Kind = OfTool }, []string{`tool ""`}},
		{"tool on enrolment", func(p *Profile) { p.Tool = "maps" }, []string{"only profiles of kind tool"}},
		{"file twice", func(p *Profile) { p.Files = append(p.Files, File{Name: "BASE.pref"}) }, []string{"there twice"}},
		{"just fits", func(p *Profile) { p.Files[0].Size = MostProfileSize }, nil},
		{"too large", func(p *Profile) { p.Files = append(p.Files, File{Name: "b", Size: MostProfileSize}) }, []string{"limit is 2147483648"}},
		{"too many", func(p *Profile) { p.Files = make([]File, MostFiles+1) }, []string{"101 files"}},
		{"all together", func(p *Profile) { p.Name, p.Kind, p.Files[0].Name = "", "x", ".." }, []string{`profile ""`, `kind "x"`, `file ".."`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := good
			p.Files = []File{good.Files[0]}
			tt.change(&p)
			err := p.Validate()
			if (err != nil) != (len(tt.want) > 0) {
				t.Fatalf("got error %v, want %q", err, tt.want)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("got error %v, want one with %q", err, w)
				}
			}
		})
	}
}

func TestCheckFileName(t *testing.T) {
	tests := []struct {
		kind Kind
		name string
		ok   bool
	}{
		{OnEnrolment, "base.pref", true},
		{OnEnrolment, "Karte Süd.xml", true},
		{OnEnrolment, "a/b", false},
		{OfTool, "a/b", true},
		{OfTool, "/a", false},
		{OfTool, "a//b", false},
		{OfTool, "a/../b", false},
		{OfTool, "../b", false},
		{OfTool, "a/..", false},
		{OfTool, `a\..\b`, false},
		{OfTool, "C:/x", false},
		{OfTool, "a/con.txt", false},
		{OnEnrolment, "", false},
		{OnEnrolment, ".", false},
		{OnEnrolment, "a.", false},
		{OnEnrolment, " a", false},
		{OnEnrolment, "a\nb", false},
		{OnEnrolment, "a\x00", false},
		{OnEnrolment, "a\xff", false},
		{OnEnrolment, strings.Repeat("a", 241), false},
	}
	for _, tt := range tests {
		t.Run(string(tt.kind)+" "+tt.name, func(t *testing.T) {
			if err := CheckFileName(tt.kind, tt.name); (err == nil) != tt.ok {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	file := func(name string, changed time.Time) File { return File{Name: name, Changed: changed} }
	list := []Profile{
		{Name: "b", Kind: OnConnection, Active: true, Files: []File{file("old", noon.Add(-time.Hour)), file("new", noon)}},
		{Name: "a", Kind: OnConnection, Active: true, Groups: []string{"Blue"}, Files: []File{file("blue", noon)}},
		{Name: "off", Kind: OnConnection, Files: []File{file("off", noon)}},
		{Name: "empty", Kind: OnConnection, Active: true},
		{Name: "t", Kind: OfTool, Tool: "Maps", Active: true, Files: []File{file("tool", noon)}},
		{Name: "e", Kind: OnEnrolment, Active: true, Files: []File{file("enrol", noon)}},
	}
	tests := []struct {
		name string
		w    Wanted
		want string
	}{
		{"all groups", Wanted{Kind: OnConnection, Groups: []string{"Red", "Blue"}}, "a: blue; b: old new"},
		{"no group", Wanted{Kind: OnConnection}, "b: old new"},
		{"changed since", Wanted{Kind: OnConnection, Groups: []string{"Blue"}, Since: noon.Add(-time.Minute)}, "a: blue; b: new"},
		{"nothing since", Wanted{Kind: OnConnection, Groups: []string{"Blue"}, Since: noon}, ""},
		{"tool", Wanted{Kind: OfTool, Tool: "maps"}, "t: tool"},
		{"other tool", Wanted{Kind: OfTool, Tool: "video"}, ""},
		{"enrolment", Wanted{Kind: OnEnrolment}, "e: enrol"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var parts []string
			for _, p := range Choose(list, tt.w) {
				names := p.Name + ":"
				for _, f := range p.Files {
					names += " " + f.Name
				}
				parts = append(parts, names)
			}
			if got := strings.Join(parts, "; "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if len(list[0].Files) != 2 {
		t.Error("the list given was changed")
	}
}

func TestPick(t *testing.T) {
	list := []Profile{{Files: []File{{Name: "a/x", Changed: noon.Add(-time.Hour)}}}, {Files: []File{{Name: "b", Changed: noon}}}}
	got, err := Pick(list, []string{"/a/x", "b"}, time.Time{})
	if err != nil || len(got) != 2 || got[0].Name != "a/x" {
		t.Errorf("got %v, %v", got, err)
	}
	if !Newest(got).Equal(noon) {
		t.Errorf("newest is %v", Newest(got))
	}
	if got, err = Pick(list, []string{"a/x", "b"}, noon.Add(-time.Minute)); err != nil || len(got) != 1 || got[0].Name != "b" {
		t.Errorf("since: got %v, %v", got, err)
	}
	if _, err = Pick(list, []string{"b", "/../b"}, time.Time{}); !errors.Is(err, ErrNoFile) {
		t.Errorf("got error %v", err)
	}
}

func TestPrefs(t *testing.T) {
	var p Prefs
	data, err := p.Group("g <1>").Set("s", `a "b" <&>'`).Set("b", false).Set("i", -1).Set("l", int64(math.MaxInt64)).Set("f", float32(1.5)).
		Set("set", []string{"x", "<y>"}).Group(AppPrefs).Set("k", "").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]string{
		"g <1>": {
			"s": `java.lang.String a "b" <&>'`, "b": "java.lang.Boolean false", "i": "java.lang.Integer -1",
			"l": "java.lang.Long 9223372036854775807", "f": "java.lang.Float 1.5", "set": "java.util.HashSet x|<y>",
		},
		AppPrefs: {"k": "java.lang.String "},
	}
	if diff := cmp.Diff(want, readPrefs(t, data)); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	tests := []struct {
		name string
		make func() *Prefs
		want string
	}{
		{"no group", func() *Prefs { return new(Prefs).Set("k", "v") }, "before the first group"},
		{"no key", func() *Prefs { return new(Prefs).Group("g").Set("", "v") }, "no key"},
		{"type", func() *Prefs { return new(Prefs).Group("g").Set("k", 1.5) }, "float64 is none"},
		{"large int", func() *Prefs { return new(Prefs).Group("g").Set("k", math.MaxInt32+1) }, "too large"},
		{"control character", func() *Prefs { return new(Prefs).Group("g").Set("k", []string{"a\x01"}) }, "control character"},
		{"group", func() *Prefs { return new(Prefs).Group("\x00") }, "control character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.make().Bytes(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}
