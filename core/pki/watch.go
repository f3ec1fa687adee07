package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"
)

// watched are files of the operator that are read again when they change.
type watched struct {
	read bool   // at all
	mark string // of what was read last
	err  string // why it could not be read
}

// look reads files again through load if they changed, or could not be read the
// last time: tools write certificate and key one after the other. A failure is
// given once.
func (w *watched) look(load func() error, paths ...string) error {
	mark := marks(paths)
	if w.read && mark == w.mark && w.err == "" {
		return nil
	}
	err := load()
	w.read, w.mark = true, mark
	if err == nil {
		w.err = ""
		return nil
	}
	if err.Error() == w.err {
		return nil
	}
	w.err = err.Error()
	return err
}

func marks(paths []string) (mark string) {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			mark += fmt.Sprintf("%s %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
	}
	return mark
}

// readAuthorities reads foreign authorities.
func readAuthorities(path string) ([]*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("foreign authorities: %w", err)
	}
	certs, err := parseCerts(b)
	if err != nil {
		return nil, fmt.Errorf("foreign authorities: %s: %w", path, err)
	}
	for _, c := range certs {
		// Roots of the first version cannot say that they are one.
		if c.Version == 3 && !(c.BasicConstraintsValid && c.IsCA) {
			return nil, fmt.Errorf("foreign authorities: %s: the certificate of %s is not one of an authority", path, nameOf(c))
		}
	}
	return unique(certs), nil
}

// check does what may be due. The caller holds work.
func (p *PKI) check() error {
	var errs []error
	add := func(err error) { errs = append(errs, err) }
	if f := p.state.Load().former; f != nil && p.now().After(f.cert.NotAfter) {
		p.log.Info("the former authority ended, and with it the rollover", "name", nameOf(f.cert))
		add(p.finishRollover())
	}
	if p.opt.ClientCAs != "" {
		add(p.clientFiles.look(p.loadForeign, p.opt.ClientCAs))
	}
	if f := p.opt.Server; f != nil {
		add(p.serverFiles.look(p.loadBrought, f.Cert, f.Key))
	} else {
		add(p.renewServer())
	}
	add(p.signCRL())
	if p.state.Load().server != nil { // else Open fails
		p.warn(p.now())
	}
	return errors.Join(errs...)
}

func (p *PKI) loadForeign() error {
	certs, err := readAuthorities(p.opt.ClientCAs)
	if err != nil {
		return err
	}
	p.update(func(s *state) {
		s.foreign = certs
		s.trust()
	})
	for _, c := range certs {
		p.log.Info("clients of a foreign authority are taken", "name", nameOf(c), "ends", c.NotAfter.Format(time.DateOnly))
	}
	return nil
}
