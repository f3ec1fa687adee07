package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	rest "github.com/takhost/takhost/core/admin"
)

const profilesPath = "/api/v1/profiles"

type profileCmd struct {
	List   profileListCmd   `cmd:"" help:"List the device profiles: files that clients take and import by themselves."`
	Show   profileShowCmd   `cmd:"" help:"Show one, or write one of its files."`
	Put    profilePutCmd    `cmd:"" help:"Add a profile, change it, and put files into it."`
	Pref   profilePrefCmd   `cmd:"" help:"Give preferences to ATAK by a profile."`
	Remove profileRemoveCmd `cmd:"" help:"Remove a profile, or files of it. What clients have taken they keep."`
}

type profileListCmd struct {
	sourceFlags
	JSON bool `help:"Write JSON."`
}

// Run lists.
func (c *profileListCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	list, err := all(ctx, a, profilesPath, nil, func(p *rest.ProfilePage) ([]rest.Profile, string) { return p.Profiles, p.Next })
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, list)
	}
	t := newTable("NAME", "WHEN", "GROUPS", "ACTIVE", "FILES", "SIZE", "CHANGED")
	for i := range list {
		p := &list[i]
		t.row(p.Name, whenOf(p), forGroups(p), yes(p.Active), fmt.Sprint(len(p.Files)), size(sizeOf(p)), local(&p.Changed))
	}
	return t.write(std, "there are no device profiles")
}

func whenOf(p *rest.Profile) string { return strings.TrimSpace(p.Kind + " " + p.Tool) }

func forGroups(p *rest.Profile) string {
	if len(p.Groups) == 0 {
		return "everybody"
	}
	return strings.Join(p.Groups, ", ")
}

func sizeOf(p *rest.Profile) (n uint64) {
	for _, f := range p.Files {
		n += uint64(max(f.Size, 0))
	}
	return n
}

type profileShowCmd struct {
	sourceFlags
	Name string `arg:"" help:"Name of the profile."`
	File string `arg:"" optional:"" help:"Write this file of it to the standard output."`
	JSON bool   `help:"Write JSON."`
}

// Run shows.
func (c *profileShowCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	if c.File != "" {
		body, err := a.open(ctx, under(profilesPath, c.Name, "files", c.File), nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(std.out, body)
		return errors.Join(err, body.Close())
	}
	var p rest.Profile
	if err := a.get(ctx, under(profilesPath, c.Name), nil, &p); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, &p)
	}
	var f facts
	f.line("profile", p.Name)
	f.line("when", whenOf(&p))
	f.line("groups", forGroups(&p))
	f.line("active", yes(p.Active))
	f.line("changed", local(&p.Changed))
	var files []string
	for _, v := range p.Files {
		files = append(files, fmt.Sprintf("%s  %s, %s", v.Name, size(uint64(max(v.Size, 0))), local(&v.Changed)))
	}
	f.lines("files", files)
	return f.write(std)
}

type profilePutCmd struct {
	sourceFlags
	Name     string   `arg:"" help:"Name of the profile."`
	Files    []string `arg:"" optional:"" name:"file" type:"existingfile" help:"Files to put into it, in the place of those of the same name."`
	On       string   `enum:",enrollment,connection,tool" default:"" placeholder:"WHEN" help:"When clients take it: enrollment (usual for a new one), connection, or tool."`
	Tool     string   `help:"With --on tool: the tool that asks for it."`
	Path     string   `placeholder:"FOLDER" help:"With --on tool: folder of the files, as the tool asks for it."`
	Group    []string `placeholder:"NAME" xor:"groups" help:"Only for users of this group. May be given several times."`
	ForAll   bool     `xor:"groups" help:"For everybody again."`
	Active   bool     `xor:"active" help:"Have clients take it."`
	Inactive bool     `xor:"active" help:"Have clients not take it for now."`
	JSON     bool     `help:"Write JSON."`
}

// Run puts. Files are opened before anything is changed.
func (c *profilePutCmd) Run(ctx context.Context, std streams) error {
	files := make([]*os.File, len(c.Files))
	for i, name := range c.Files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		files[i] = f
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	p, err := c.settings(ctx, a)
	if err != nil {
		return err
	}
	for i, name := range c.Files {
		name = strings.Trim(c.Path+"/"+filepath.Base(name), "/")
		if err := a.upload(ctx, under(profilesPath, c.Name, "files", name), files[i], p); err != nil {
			return fmt.Errorf("put %s: %w", name, err)
		}
	}
	if c.JSON {
		return writeJSON(std, p)
	}
	state := "active"
	if !p.Active {
		state = "inactive"
	}
	return said(std, "%s: taken at %s by %s, %s, %s", p.Name, whenOf(p), forGroups(p), state, number(len(p.Files), "file"))
}

// settings adds the profile or changes it.
func (c *profilePutCmd) settings(ctx context.Context, a *admin) (*rest.Profile, error) {
	var p rest.Profile
	err := a.get(ctx, under(profilesPath, c.Name), nil, &p)
	isNew := isStatus(err, http.StatusNotFound)
	if err != nil && !isNew {
		return nil, err
	}
	if isNew {
		p = rest.Profile{Name: c.Name, Kind: "enrollment", Active: true}
	}
	if c.On != "" && c.On != p.Kind {
		p.Kind, p.Tool = c.On, ""
	}
	if c.Tool != "" {
		p.Tool = c.Tool
	}
	if c.Path != "" && p.Kind != "tool" {
		return nil, usagef("--path is for profiles of a tool")
	}
	if c.ForAll || len(c.Group) > 0 {
		p.Groups = c.Group
	}
	if c.Active || c.Inactive {
		p.Active = c.Active
	}
	in := rest.ProfileInput{Kind: p.Kind, Tool: p.Tool, Groups: p.Groups, Active: &p.Active}
	switch changes := c.On != "" || c.Tool != "" || c.ForAll || len(c.Group) > 0 || c.Active || c.Inactive; {
	case isNew:
		err = a.ask(ctx, http.MethodPost, profilesPath, rest.NewProfile{Name: c.Name, ProfileInput: in}, &p)
	case changes:
		err = a.ask(ctx, http.MethodPut, under(profilesPath, c.Name), in, &p)
	case len(c.Files) == 0:
		err = usagef("say what to change: files, or flags (takhost profile put --help)")
	default:
		err = nil
	}
	return &p, err
}

type profileRemoveCmd struct {
	sourceFlags
	Name  string   `arg:"" help:"Name of the profile."`
	Files []string `arg:"" optional:"" name:"file" help:"Only these files of it."`
}

// Run removes.
func (c *profileRemoveCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	if len(c.Files) == 0 {
		if err := a.do(ctx, http.MethodDelete, under(profilesPath, c.Name), nil, nil, nil); err != nil {
			return err
		}
		return said(std, "%s: removed", c.Name)
	}
	for _, f := range c.Files {
		if err := a.do(ctx, http.MethodDelete, under(profilesPath, c.Name, "files", f), nil, nil, nil); err != nil {
			return err
		}
		if err := said(std, "%s: %s removed", c.Name, f); err != nil {
			return err
		}
	}
	return nil
}
