package onboard

import (
	"fmt"
	"html/template"
)

// way words what a client needs. What the steps call things is what the apps
// call them.
func (d *LandingData) way(f For) (way, error) {
	switch f {
	case ITAK:
		return d.itak()
	case WinTAK:
		return d.wintak(), nil
	}
	return d.atak()
}

func (d *LandingData) atak() (v way, err error) {
	v = way{App: "ATAK", Device: "Android"}
	link := Link(d.Reach, d.User, d.Token)
	pkg, has := d.Packages[ATAK]
	// The link tells ATAK neither the authority nor another port of enrolment.
	direct := d.Public && d.Reach.Enrol == usualEnrol && d.User != ""
	switch {
	case direct:
		v.Buttons = append(v.Buttons, button{Text: "Open in ATAK", To: template.URL(link)})
		v.Steps = []string{
			"Install ATAK and start it once.",
			"Touch “Open in ATAK” and agree to the question.",
			"Wait until ATAK says that it has enrolled. The mark of the server turns green.",
		}
		if has {
			v.Buttons = append(v.Buttons, button{Text: "Download the data package instead", To: pkg.URL, File: true, Second: true})
		}
		v.Caption = "Or scan this with the phone that has ATAK."
		v.QR, err = picture(link)
	case has && pkg.Certificate:
		v.Buttons = append(v.Buttons, button{Text: "Download the data package", To: pkg.URL, File: true})
		v.Steps = []string{
			"Install ATAK and start it once.",
			"Download the data package.",
			"In ATAK: Import, then Local SD, and choose the file in the folder Download.",
			"Wait until the mark of the server turns green.",
		}
	case has:
		v.Buttons = append(v.Buttons,
			button{Text: "Download the data package", To: pkg.URL, File: true},
			button{Text: "Open in ATAK, after the package", To: template.URL(link), Second: true})
		v.Steps = []string{
			"Install ATAK and start it once.",
			"Download the data package.",
			"In ATAK: Import, then Local SD, and choose the file in the folder Download.",
			"ATAK asks for user name and password: type those at the top of this page. Or cancel, come back and touch “Open in ATAK”, as it now knows this server.",
			"Wait until ATAK says that it has enrolled. The mark of the server turns green.",
		}
	default:
		v.Warnings = append(v.Warnings, "ATAK does not know this server's authority yet. Ask the operator for a data package.")
	}
	return v, err
}

func (d *LandingData) itak() (v way, err error) {
	v = way{App: "iTAK", Device: "iPhone and iPad"}
	pkg, has := d.Packages[ITAK]
	if has {
		v.Buttons = append(v.Buttons, button{Text: "Download the package", To: pkg.URL, File: !pkg.Certificate})
	}
	switch {
	case d.Public && d.Reach.Enrol == usualEnrol:
		if has {
			v.Buttons[0].Text, v.Buttons[0].Second = "Download the package instead", true
		}
		v.Steps = []string{
			"Install iTAK and start it once.",
			"In iTAK: Settings, Network, Servers, the plus sign, then Scan QR, and scan this code from another screen.",
			"iTAK asks for user name and password: these stand at the top of this page.",
			fmt.Sprintf("Without another screen: enter the server by hand: address %s, port %d, protocol SSL.", d.Reach.Host, d.Reach.Stream),
		}
		text := ITAKText(d.Reach)
		v.Caption = text
		v.QR, err = picture(text)
	case has:
		v.Steps = []string{
			"Install iTAK and start it once.",
			"Download the package.",
			"In iTAK: Settings, Network, Servers, the plus sign, then Upload server package, and choose the file.",
		}
	case !d.Public:
		v.Warnings = append(v.Warnings, "iTAK enrols only where the server's certificate is publicly trusted, and this one is not. Ask the operator for a package for iTAK.")
	default:
		v.Warnings = append(v.Warnings, fmt.Sprintf("iTAK enrols only at port %d, and this server has %d. Ask the operator for a package for iTAK.", usualEnrol, d.Reach.Enrol))
	}
	return v, err
}

func (d *LandingData) wintak() way {
	v := way{App: "WinTAK", Device: "Windows"}
	pkg, has := d.Packages[WinTAK]
	if !has {
		v.Warnings = append(v.Warnings, "Ask the operator for a data package for WinTAK.")
		return v
	}
	v.Buttons = append(v.Buttons, button{Text: "Download the data package", To: pkg.URL, File: true})
	v.Steps = []string{
		"Install WinTAK and start it once.",
		"Download the data package.",
		"In WinTAK: Data Packages, then Import, and choose the file.",
	}
	if !pkg.Certificate {
		v.Steps = append(v.Steps, "WinTAK asks for user name and password: these stand at the top of this page.")
	}
	v.Steps = append(v.Steps, "Wait until the mark of the server turns green.")
	return v
}
