package main

import (
	"strconv"

	"github.com/takhost/takhost/sdk"
)

// writeSync writes a file as /Marti/sync does: all values are texts but the lists,
// and the names are those of the upload's parameters (spec/tak-marti.md 7). CloudTAK
// needs all that stands before the optional ones.
func (f *file) writeSync(j *sdk.JSON) {
	j.Object().Key("UID").Text(f.uid).Key("SubmissionDateTime").Time(f.added).Key("Keywords").Texts(f.keywords).
		Key("MIMEType").Text(f.mime).Key("SubmissionUser").Text(f.user()).Key("PrimaryKey").ID(f.key).
		Key("Hash").Text(f.hash).Key("CreatorUid").Text(f.creator).Key("Name").Text(f.name).Key("Size").ID(f.size).
		Key("Tool").Text(f.tool).Key("EXPIRATION").ID(f.expirySeconds())
	if f.located {
		j.Key("Latitude").Text(degrees(f.lat)).Key("Longitude").Text(degrees(f.lon))
	}
	if f.high {
		j.Key("Altitude").Text(degrees(f.altitude))
	}
	for _, t := range [...]struct{ name, value string }{{"Remarks", f.remarks}, {"DownloadPath", f.path}, {"MissionName", f.mission}} {
		if t.value != "" {
			j.Key(t.name).Text(t.value)
		}
	}
	for _, l := range [...]struct {
		name  string
		value []string
	}{{"Permissions", f.permissions}, {"Contacts", f.contacts}, {"Groups", f.groups}} {
		if len(l.value) > 0 {
			j.Key(l.name).Texts(l.value)
		}
	}
	j.End()
}

func degrees(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// expirySeconds is -1 of what stays for ever.
func (f *file) expirySeconds() int64 {
	if f.expires.IsZero() {
		return -1
	}
	return f.expires.Unix()
}

// writeResource writes a file as the Resource of /Marti/api (spec/tak-mission.md 2).
func (f *file) writeResource(j *sdk.JSON) {
	j.Object().Key("id").Int(f.key).Key("filename").Text(f.name).Key("keywords").Texts(f.keywords).Key("mimeType").Text(f.mime).
		Key("contentType").Text(f.mime).Key("name").Text(f.name).Key("submissionTime").Time(f.added).Key("submitter").Text(f.user()).
		Key("uid").Text(f.uid).Key("hash").Text(f.hash).Key("size").Int(f.size).Key("creatorUid").Text(f.creator).Key("tool").Text(f.tool)
	if f.located {
		j.Key("latitude").Float(f.lat).Key("longitude").Float(f.lon)
	}
	if f.high {
		j.Key("altitude").Float(f.altitude)
	}
	j.Key("expiration").Int(f.expirySeconds())
	if len(f.groups) > 0 {
		j.Key("groups").Texts(f.groups)
	}
	j.End()
}

// writeRow writes a file as a row of the official server's file manager, all texts.
func (f *file) writeRow(j *sdk.JSON, groups []string) {
	j.Object().Key("Name").Text(f.name).Key("User").Text(f.user()).Key("Creator").Text(f.creator).
		Key("Size").Text(strconv.FormatInt((f.size+999)/1000, 10) + "kB").Key("Time").Time(f.added).Key("MimeType").Text(f.mime).
		Key("Keywords").Text(joined(f.keywords)).Key("Expiration").ID(f.expirySeconds()).Key("Hash").Text(f.hash).
		Key("Groups").Text(joined(groups)).End()
}

func joined(list []string) string {
	out := ""
	for i, s := range list {
		if i > 0 {
			out += ", "
		}
		out += s
	}
	return out
}

// writeClean writes a file as /api/v1/files does. More may follow in the object,
// which the caller ends.
func (e *eye) writeClean(j *sdk.JSON, f *file) error {
	groups, err := e.audience(f)
	if err != nil {
		return err
	}
	j.Object().Key("id").Text(f.id()).Key("name").Text(f.name).Key("hash").Text(f.hash).Key("size").Int(f.size).
		Key("type").Text(f.mime).Key("uid").Text(f.uid).Key("keywords").Texts(f.keywords).Key("tool").Text(f.tool).
		Key("private").Bool(f.private()).Key("user").Text(f.submitter).Key("creator").Text(f.creator).Key("added").Time(f.added)
	if !f.expires.IsZero() {
		j.Key("expires").Time(f.expires)
	}
	if f.located {
		j.Key("lat").Float(f.lat).Key("lon").Float(f.lon)
	}
	if f.high {
		j.Key("alt").Float(f.altitude)
	}
	if f.remarks != "" {
		j.Key("remarks").Text(f.remarks)
	}
	j.Key("groups").Texts(groups).Key("everybody").Bool(f.set == 0)
	return nil
}

// envelope begins an answer of /Marti/api; the data follow.
func envelope(c *sdk.Call, w *sdk.Response, kind string) *sdk.JSON {
	return w.JSON().Object().Key("version").Text("3").Key("type").Text(kind).Key("nodeId").Text(c.Start().NodeID).Key("data")
}
