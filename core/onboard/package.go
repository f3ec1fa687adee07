package onboard

import (
	"errors"
	"fmt"
	"strconv"
)

// For is a client that packages are made for.
type For string

const (
	ATAK   For = "atak"
	WinTAK For = "wintak"
	ITAK   For = "itak"
)

// ParseFor reads the name of a client.
func ParseFor(s string) (For, error) {
	switch f := For(s); f {
	case ATAK, WinTAK, ITAK:
		return f, nil
	}
	return "", fmt.Errorf("client %q: is none of %s, %s, %s", s, ATAK, WinTAK, ITAK)
}

// Spec says what a package shall hold.
type Spec struct {
	For   For
	Reach Reach
	Trust []byte // PKCS#12 of the authorities that the server's certificates come from; never with a key
	// Client is the PKCS#12 of the user's certificate and key. nil: the client
	// enrols, and asks for user name and password when the package is imported.
	Client []byte
	// Password opens both. Clients read it from the package, so it is no secret,
	// but without one ATAK drops the authorities.
	Password string
	User     string // login name, for the file names; empty: the package is for everybody
	Callsign string // preset in the client; empty: as it is
	Team     string // colour; empty: as it is
	Role     string // of the team, as Team Lead; empty: as it is
}

// ErrITAKEnrol is the answer to a package without a certificate for iTAK.
var ErrITAKEnrol = errors.New("iTAK does not enrol from a package: put a certificate into it, or let iTAK scan its code")

// Package makes the zip and its file name.
//
// ATAK and WinTAK read MANIFEST/manifest.xml, keep .p12 files in their folder
// cert whatever folder they had in the package, and take them from there into
// their own store, as the preferences of the connection say. iTAK wants all
// files in the root, and the certificates named in the app's preferences.
func Package(s Spec) (name string, zip []byte, err error) {
	if err := s.check(); err != nil {
		return "", nil, err
	}
	server := FileName(s.Reach.Host)
	trust, client := "truststore-"+server+".p12", ""
	if s.Client != nil {
		client = FileName(s.User) + "-" + server + ".p12"
	}
	prefs, err := s.prefs(trust, client)
	if err != nil {
		return "", nil, err
	}
	folder, list := "certs/", "MANIFEST/manifest.xml"
	if s.For == ITAK {
		folder, list = "", "manifest.xml"
	}
	files := []entry{{folder + "config.pref", prefs}, {folder + trust, s.Trust}}
	if s.Client != nil {
		files = append(files, entry{folder + client, s.Client})
	}
	title := s.Reach.Title()
	if s.User != "" {
		title += " " + s.User
	}
	// The key must not stay behind in a package on the phone.
	m := manifest(title, [][2]string{{"onReceiveImport", "true"}, {"onReceiveDelete", "true"}}, files)
	zip, err = pack(append([]entry{{list, m}}, files...))
	if err != nil {
		return "", nil, err
	}
	name = server
	if s.User != "" {
		name = FileName(s.User) + "-" + server
	}
	return name + "-" + string(s.For) + ".zip", zip, nil
}

func (s *Spec) check() error {
	_, err := ParseFor(string(s.For))
	faults := []error{err, s.Reach.Validate()}
	if s.Reach.Stream == 0 {
		faults = append(faults, errors.New("the listener for clients by TLS is closed"))
	}
	if s.Password == "" {
		faults = append(faults, errors.New("a package needs a password for its certificates"))
	}
	for _, t := range []struct{ what, text string }{{"password", s.Password}, {"user", s.User}, {"callsign", s.Callsign}, {"team", s.Team}, {"role", s.Role}} {
		if err := plain(t.what, t.text); err != nil {
			if t.what == "password" {
				err = errors.New("password: not UTF-8, or holds a control character")
			}
			faults = append(faults, err)
		}
	}
	faults = append(faults, checkTrust(s.Trust, s.Password))
	if s.Client != nil {
		if s.User == "" {
			faults = append(faults, errors.New("a package with a certificate needs its user"))
		}
		faults = append(faults, checkClient(s.Client, s.Password))
	} else {
		if s.For == ITAK {
			faults = append(faults, ErrITAKEnrol)
		}
		if s.Reach.Enrol == 0 {
			faults = append(faults, errors.New("the listener for enrolment is closed"))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("package: %w", err)
	}
	return nil
}

// prefs makes the preference file. Keys and values are those that ATAK 4 and 5
// read (the connection's certificates by an index, as it may have several
// servers); the app's own caLocation would make this server's authority the one
// for all servers, so only the clients that know no other get it.
func (s *Spec) prefs(trust, client string) ([]byte, error) {
	var p Prefs
	p.Group("cot_streams").
		Set("count", 1).
		Set("description0", s.Reach.Title()).
		Set("enabled0", true).
		Set("connectString0", s.Reach.Host+":"+strconv.Itoa(s.Reach.Stream)+":ssl")
	if s.For != ITAK {
		p.Set("caLocation0", "cert/"+trust).Set("caPassword0", s.Password)
		if client != "" {
			p.Set("certificateLocation0", "cert/"+client).Set("clientPassword0", s.Password).
				Set("useAuth0", false).Set("enrollForCertificateWithTrust0", false)
		} else {
			p.Set("useAuth0", true).Set("enrollForCertificateWithTrust0", true).Set("cacheCreds0", "Cache credentials")
		}
	}
	p.Group(AppPrefs).Set("displayServerConnectionWidget", true)
	if client != "" && s.For != ATAK {
		p.Set("caLocation", "cert/"+trust).Set("caPassword", s.Password).
			Set("certificateLocation", "cert/"+client).Set("clientPassword", s.Password)
	}
	// Ports are for the app as a whole: told only when they must be.
	if s.Reach.API != 0 && s.Reach.API != usualAPI {
		p.Set("apiSecureServerPort", strconv.Itoa(s.Reach.API))
	}
	if s.Reach.Enrol != 0 && s.Reach.Enrol != usualEnrol {
		p.Set("apiCertEnrollmentPort", strconv.Itoa(s.Reach.Enrol))
	}
	for _, e := range []struct{ key, value string }{{"locationCallsign", s.Callsign}, {"locationTeam", s.Team}, {"atakRoleType", s.Role}} {
		if e.value != "" {
			p.Set(e.key, e.value)
		}
	}
	return p.Bytes()
}
