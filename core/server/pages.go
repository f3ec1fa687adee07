package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/web"
)

// Paths of the pages on listen.web.
const (
	setupPath = "/setup/"
)

// SetupFile is the name of the file in the data folder that has the link which
// makes the first administrator, as long as there is none.
const SetupFile = "setup.link"

// pages are what people see in a browser on listen.web.
func (s *Server) pages() map[string]http.Handler {
	return map[string]http.Handler{
		"/":                 http.HandlerFunc(s.homePage),
		onboard.LandingPath: http.HandlerFunc(s.enrolPage),
		setupPath:           http.HandlerFunc(s.setupPage),
	}
}

// here gives what packages and pages say of the server. Where the configuration
// names nothing, the name by which the browser came will do for a page.
func (s *Server) here(r *http.Request) onboard.Reach {
	reach, err := s.reach.reach()
	if err == nil {
		return reach
	}
	host := (&url.URL{Host: r.Host}).Hostname()
	return onboard.Reach{Name: host, Host: host, Stream: s.reach.port("tls"), API: s.reach.port("https"), Enrol: s.reach.port("web")}
}

// show sends a page as a whole.
func (s *Server) show(w http.ResponseWriter, status int, csp string, write func(io.Writer) error) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		s.opt.Log.Error("a page cannot be written", slog.Any("err", err))
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	for name, value := range onboard.PageHeaders() {
		w.Header().Set(name, value)
	}
	if csp != "" {
		w.Header().Set("Content-Security-Policy", csp)
	}
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // an error means that the browser is gone
}

func (s *Server) homePage(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		http.Error(w, "there is nothing to post here", http.StatusMethodNotAllowed)
		return
	}
	s.show(w, http.StatusOK, "", func(w io.Writer) error {
		return onboard.Home(w, onboard.HomeData{Reach: s.here(r), Unset: s.identity.NeedsSetup()})
	})
}

// enrolPage is the landing page of a code, and the packages that it offers.
func (s *Server) enrolPage(w http.ResponseWriter, r *http.Request) {
	code, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, onboard.LandingPath), "/")
	e, err := s.identity.EnrolmentBySecret(code)
	reach := s.here(r)
	if err != nil {
		status := http.StatusGone
		if store.CodeOf(err) == store.NotFound {
			status = http.StatusNotFound
		}
		s.show(w, status, "", func(w io.Writer) error { return onboard.Gone(w, reach) })
		return
	}
	if file != "" {
		s.enrolPackage(w, r, e, reach, code, strings.TrimSuffix(file, ".zip"))
		return
	}
	login := e.User
	if e.Event != nil {
		login = e.Event.Prefix
	}
	at := onboard.LandingPath + url.PathEscape(code) + "/"
	data := onboard.LandingData{
		Reach: reach, User: login, Token: code, Expires: e.Expires, Public: s.certificates.public(), UserAgent: r.UserAgent(),
		URL: onboard.LandingURL(reach, code),
		Packages: map[onboard.For]onboard.Download{
			onboard.ATAK:   {URL: at + "atak.zip"},
			onboard.WinTAK: {URL: at + "wintak.zip"},
			onboard.ITAK:   {URL: at + "itak.zip", Certificate: true},
		},
	}
	s.show(w, http.StatusOK, "", func(w io.Writer) error { return onboard.Landing(w, data) })
}

// enrolPackage gives a package for somebody with a code. iTAK does not enrol from
// a package: it gets a certificate, which uses the code.
func (s *Server) enrolPackage(w http.ResponseWriter, r *http.Request, e identity.Enrolment, reach onboard.Reach, code, client string) {
	if client == string(onboard.ITAK) && r.Method != http.MethodPost {
		user := e.User
		if user == "" {
			user = "a new user"
		}
		s.show(w, http.StatusOK, onboard.FormCSP(), func(w io.Writer) error { return onboard.Confirm(w, reach, user, "iTAK") })
		return
	}
	name, zip, err := s.makePackage(r.Context(), e, reach, code, client, web.AddrOf(r.Context()))
	switch {
	case errors.Is(err, identity.ErrSpent), errors.Is(err, identity.ErrEnded):
		s.show(w, http.StatusGone, "", func(w io.Writer) error { return onboard.Gone(w, reach) })
		return
	case store.CodeOf(err) == store.NotFound:
		w.Header().Set("Cache-Control", "no-store")
		http.NotFound(w, r)
		return
	case err != nil:
		s.opt.Log.Error("a package cannot be made", slog.String("client", client), slog.Any("err", err))
		http.Error(w, "the package cannot be made; the server's log says why", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(zip) // an error means that the browser is gone
}

func (s *Server) makePackage(ctx context.Context, e identity.Enrolment, reach onboard.Reach, code, client, addr string) (name string, zip []byte, err error) {
	target, err := onboard.ParseFor(client)
	if err != nil {
		return "", nil, &store.Error{Code: store.NotFound, Err: err}
	}
	password := s.cfg.PKI.Password
	spec := onboard.Spec{For: target, Reach: reach, Password: password, User: e.User}
	if spec.Trust, err = s.pki.TrustStore(password); err != nil {
		return "", nil, err
	}
	if target == onboard.ITAK {
		login := e.User
		if e.Event != nil {
			login = e.Event.Prefix
		}
		uid := "package-" + e.ID
		if e.Event != nil {
			uid += "-" + uuid.NewString()
		}
		_, grant, err := s.identity.EnrolLogin(ctx, login, code, uid, addr)
		if err != nil {
			return "", nil, err
		}
		pair, err := s.pki.Issue(ctx, pki.Leaf{CommonName: grant.User, Channels: true})
		if err != nil {
			return "", nil, err
		}
		if spec.Client, err = pair.PKCS12(password, false); err != nil {
			return "", nil, err
		}
		c := identity.NewCertificate(pair.Cert, identity.KindPackage, grant.User, uid)
		c.Channels = true
		if err := s.identity.Enrol(ctx, grant, c); err != nil {
			return "", nil, err
		}
		spec.User = grant.User
	}
	return onboard.Package(spec)
}

// setupPage makes the first administrator, for whoever has the link.
func (s *Server) setupPage(w http.ResponseWriter, r *http.Request) {
	secret := strings.TrimPrefix(r.URL.Path, setupPath)
	data := onboard.SetupData{Reach: s.here(r)}
	status := http.StatusOK
	name, good := s.identity.SetupFor(secret)
	switch {
	case !good:
		data.Gone, status = true, http.StatusGone
	case r.Method != http.MethodPost:
		data.User, data.Fixed = name, name != ""
	default:
		status = s.setUp(w, r, secret, name, &data)
	}
	s.show(w, status, onboard.FormCSP(), func(w io.Writer) error { return onboard.Setup(w, data) })
}

// setUp takes what was typed.
func (s *Server) setUp(w http.ResponseWriter, r *http.Request, secret, fixed string, data *onboard.SetupData) (status int) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		data.Fault = "What you typed did not arrive whole. Try again."
		return http.StatusBadRequest
	}
	data.User, data.Fixed = r.PostForm.Get("name"), fixed != ""
	if fixed != "" {
		data.User = fixed
	}
	if r.PostForm.Get("password") != r.PostForm.Get("again") {
		data.Fault = "The two passwords are not the same."
		return http.StatusUnprocessableEntity
	}
	u, err := s.identity.Setup(r.Context(), secret, data.User, r.PostForm.Get("password"), web.AddrOf(r.Context()))
	wait := (*identity.TooMany)(nil)
	switch code := store.CodeOf(err); {
	case err == nil:
		data.User, data.Done = u.Name, true
		s.setupDone()
		return http.StatusOK
	case errors.As(err, &wait):
		data.Fault = "Too many tries. Wait a little."
		return http.StatusTooManyRequests
	case errors.Is(err, identity.ErrBadCredentials), code == store.NotFound:
		data.Gone = true
		return http.StatusGone
	case code == store.Invalid, code == store.Conflict:
		data.Fault = err.Error()
		return http.StatusUnprocessableEntity
	}
	s.opt.Log.Error("the first administrator cannot be made", slog.Any("err", err))
	data.Fault = "That did not work; the server's log says why."
	return http.StatusInternalServerError
}

// setupLink gives the address of the page that makes the first administrator with
// that secret.
func (s *Server) setupLink(secret string) string {
	base := s.reach.url("web", true)
	if base == "" {
		host := "localhost"
		if bound, ok := s.Addr("web").(*net.TCPAddr); ok && !bound.IP.IsUnspecified() {
			host = bound.IP.String()
		} else if found := candidates(); len(found) > 0 {
			host = found[0]
		}
		base = fmt.Sprintf("https://%s:%d", bracketed(host), s.reach.port("web"))
	}
	return base + setupPath + secret
}

// offerSetup makes the link while nobody administers the server.
func (s *Server) offerSetup() error {
	file := filepath.Join(s.cfg.Data, SetupFile)
	if !s.identity.NeedsSetup() {
		return removeIfThere(file)
	}
	if s.Addr("web") == nil {
		s.opt.Log.Info("this server has no administrator yet, and listen.web, where the set-up link would lead to, is closed: takhost user add NAME --role admin")
		return removeIfThere(file)
	}
	secret, err := s.identity.SetupSecret()
	if err != nil {
		return fmt.Errorf("make the set-up link: %w", err)
	}
	link, file, err := s.keepSetup(secret)
	if err == nil {
		s.opt.Log.Info("this server has no administrator yet: open the link to make one", slog.String("link", link), slog.String("file", file))
	}
	return err
}

// keepSetup writes the link of a secret into its file.
func (s *Server) keepSetup(secret string) (link, file string, err error) {
	link, file = s.setupLink(secret), filepath.Join(s.cfg.Data, SetupFile)
	if err := web.WritePrivate(file, link+"\n"); err != nil {
		return "", "", fmt.Errorf("write the set-up link: %w", err)
	}
	s.setupOffered.Store(true)
	return link, file, nil
}

// resetAdmin is an admin.Resetter.
func (s *Server) resetAdmin(ctx context.Context, by identity.Actor) (admin.Reset, error) {
	if s.Addr("web") == nil {
		return admin.Reset{}, &store.Error{Code: store.Unavailable, Msg: "listen.web, where the link would lead to, is closed: set a password with takhost user passwd NAME"}
	}
	name, secret, err := s.identity.ResetAdmin(ctx, by)
	if err != nil {
		return admin.Reset{}, err
	}
	link, file, err := s.keepSetup(secret)
	return admin.Reset{Name: name, Link: link, File: file}, err
}

func (s *Server) setupDone() {
	s.setupOffered.Store(false)
	if err := removeIfThere(filepath.Join(s.cfg.Data, SetupFile)); err != nil {
		s.opt.Log.Error("the file with the used set-up link cannot be removed", slog.Any("err", err))
	}
}

func removeIfThere(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
