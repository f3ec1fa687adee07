package marti

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

type profilePackageInput struct {
	ProfileName
	Hash string `query:"hash" doc:"SHA-256 of a package that was offered to clients, of which the answer is that one"`
}

func (a *api) profilePackageOperations() {
	o := op{
		method: http.MethodGet, path: "/Marti/api/device/profile/{name}/missionpackage", id: "device-profile-package", tag: tagProfiles, on: onAll,
		summary: "A device profile as a mission package",
		doc:     "Of the caller's groups. Administrators and operators get any, also one that is not active.",
		answers: with(with(with(okAs(zipType, "The package"), "204", "It has no files"), "304", "The caller has it"), "404", "There is none for the caller, or it is offered no longer"),
	}
	add(a, o, profilePackage)
	o = op{
		method: http.MethodPost, path: "/Marti/api/device/profile/{name}/send", id: "device-profile-send", tag: tagProfiles, on: onAll, access: forAdmin,
		summary: "Offer a device profile to clients",
		doc: "Clients of the profile's groups that are connected are told to fetch it as it is now (b-f-t-r). What they are told of is kept for a day. " +
			"The answer is a list of those who were not reached; when that is everybody, nothing is kept.",
		answers: with(ok[envelope[[]string]](a, "The uids that were not reached"), "404", "There is none, or nobody was reached"),
		body:    jsonBody("Uids of clients, at most 1,000", &huma.Schema{Type: "array", Items: &huma.Schema{Type: "string"}}),
	}
	add(a, o, sendProfile)
}

func profilePackage(c *call, in *profilePackageInput) (*reply, error) {
	missing := notFoundf("Not Found: there is no such device profile")
	if c.Profiles == nil {
		return nil, missing
	}
	v, err := c.Profiles.Profile(in.Name)
	switch {
	case store.CodeOf(err) == store.NotFound:
		return nil, missing
	case err != nil:
		return nil, err
	case !c.isOperator() && !v.For(c.outGroups()):
		return nil, missing // as if there were none
	case in.Hash != "":
		return c.offered(&v, in.Hash)
	case !c.isOperator() && !v.Active:
		return nil, missing
	}
	return c.packed(time.Time{}, v.Name, v)
}

// offered answers with a package that clients were told of, byte for byte.
func (c *call) offered(v *onboard.Profile, hash string) (*reply, error) {
	if !c.Profiles.Offered(v.Name, hash) {
		return nil, notFoundf("Not Found: there is no such package of the profile, or it is offered no longer")
	}
	f, err := c.openFile(hash)
	if err != nil {
		return nil, err
	}
	return zipped(func(c *call) {
		defer f.Close()
		web.ServeContent(c.w, c.r, hash, time.Time{}, f)
	}), nil
}

// offerTime is how long an offer holds for clients; the official server has the
// same.
const offerTime = 100 * time.Second

func sendProfile(c *call, in *ProfileName) (*reply, error) {
	var uids []string
	if err := c.readJSON(&uids); err != nil {
		return nil, err
	}
	slices.Sort(uids)
	uids = slices.Compact(uids)
	if len(uids) > maxUIDs {
		return nil, invalidf("Invalid Request: more than %d uids", maxUIDs)
	}
	v, err := c.profileNamed(in.Name)
	if err != nil {
		return nil, err
	}
	groups, err := c.audience(&v)
	if err != nil {
		return nil, err
	}
	by, missing := c.reached(&v, groups, uids)
	switch {
	case len(uids) == 0:
		return enveloped(c.api, textsType, []string{})
	case len(missing) == len(uids):
		return nil, notFoundf("Not Found: none of these clients is connected and in a group of the profile: %.200s", strings.Join(missing, ", "))
	}
	urls, err := c.fetchURLs(by)
	if err != nil {
		return nil, err
	}
	offer, err := c.Keeper.Offer(c, c.actor(), v.Name, uids)
	// A large package takes its time, and that for the answer begins now.
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(answerWait)) // the connection has the same error
	switch {
	case errors.Is(err, onboard.ErrTooLarge):
		return nil, faultf(http.StatusRequestEntityTooLarge, "%v", err)
	case store.CodeOf(err) == store.Limit, errors.Is(err, store.ErrNoSpace):
		return nil, web.FileProblem(err)
	case err != nil:
		return nil, err
	}
	for listener, to := range by {
		if err := c.emitOffer(urls[listener], &v, offer, groups, to); err != nil {
			return nil, err
		}
	}
	c.Log.Info("device profile offered", slog.String("profile", v.Name), slog.Int("clients", len(uids)-len(missing)), slog.String("by", c.caller.User))
	return enveloped(c.api, textsType, missing)
}

// audience is the set of a profile's groups: 0, without an error, is no bound.
func (c *call) audience(v *onboard.Profile) (hostapi.SetID, error) {
	if len(v.Groups) == 0 {
		return 0, nil
	}
	var ids []hostapi.GroupID
	for _, name := range v.Groups {
		if g, known := c.Identity.Group(name); known {
			ids = append(ids, g.ID)
		}
	}
	if len(ids) == 0 {
		return 0, invalidf("Invalid Request: the groups of the profile are gone, so nobody may have it")
	}
	return c.Groups.Intern(ids...)
}

// reached sorts uids by the listener at which their clients fetch files, as far as
// these are connected and in one of the groups. Who came without TLS has no
// certificate to show.
func (c *call) reached(v *onboard.Profile, groups hostapi.SetID, uids []string) (by map[string][]string, missing []string) {
	at := map[string]string{}
	for _, cl := range c.Core.Clients(c) { // the newest connection of a client is the last
		if groups != 0 && !c.Groups.Intersects(groups, cl.Out) {
			continue
		}
		at[cl.UID] = "https"
		if cl.Listener == "tcp" || cl.Listener == "http" {
			at[cl.UID] = "http"
		}
	}
	by, missing = map[string][]string{}, []string{}
	for _, uid := range uids {
		if listener, here := at[uid]; here && uid != "" {
			by[listener] = append(by[listener], uid)
		} else {
			missing = append(missing, uid)
		}
	}
	return by, missing
}

// fetchURLs says where clients reach these listeners. Those of http may have a
// certificate all the same when that is closed.
func (c *call) fetchURLs(by map[string][]string) (map[string]string, error) {
	urls := map[string]string{}
	for listener := range by {
		for _, name := range []string{listener, "https"} {
			base := c.Core.BaseURL(name)
			if c.caller.Listener == name && c.caller.BaseURL != "" {
				base = c.caller.BaseURL
			}
			if base != "" {
				urls[listener] = base
				break
			}
		}
		if urls[listener] == "" {
			return nil, faultf(http.StatusServiceUnavailable, "listen.%s is closed, by which clients fetch files", listener)
		}
	}
	return urls, nil
}

// emitOffer tells clients of a package (b-f-t-r, 7). The uid is the hash, as in
// packages that ATAK makes. ATAK compares hash and size, so the URL is that of this
// very package.
func (c *call) emitOffer(base string, v *onboard.Profile, offer onboard.Offer, groups hostapi.SetID, uids []string) error {
	from := c.caller.Name
	if from == "" {
		from = "Server"
	}
	link := base + "/Marti/api/device/profile/" + url.PathEscape(v.Name) + "/missionpackage?hash=" + offer.Hash
	xml, err := cot.NewEvent(offer.Hash, "b-f-t-r", "h-e", c.Now(), offerTime).
		Point(0, 0, cot.Unknown, cot.Unknown, cot.Unknown).
		Start("detail").
		Start("fileshare").Attr("sha256", offer.Hash).Attr("senderUid", offer.Hash).Attr("name", v.Name).Attr("filename", onboard.FileName(v.Name)+".zip").
		Attr("senderUrl", link).AttrInt("sizeInBytes", offer.Size).Attr("senderCallsign", from).End().
		String()
	if err != nil {
		return fmt.Errorf("write an offer: %w", err)
	}
	return c.Core.Emit(xml, groups, uids)
}
