package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/takhost/takhost/core/config"
)

// askPublic asks under which names clients reach the server.
func (w *Wizard) askPublic(ctx context.Context) error {
	c, err := w.Draft.Load()
	if err != nil {
		return err
	}
	found := w.Machine.Candidates()
	byHand := strings.Join(c.Public, ", ")
	if byHand == "" && len(found) > 0 {
		byHand = found[0]
	}
	about := []string{"It goes into certificates, packages and links. Several are written with commas, the", "foremost first."}
	if len(found) > 0 {
		about = append(about, "This machine has:")
		for i, f := range found {
			about = append(about, fmt.Sprintf("%d  %s", i+1, f))
		}
	}
	return w.ask(ctx, question{title: "Name or address by which phones reach this server", about: about, byHand: byHand, take: func(ctx context.Context, answer string) error {
		return w.takePublic(ctx, answer, found)
	}})
}

func (w *Wizard) takePublic(ctx context.Context, answer string, found []string) error {
	var names []string
	for name := range strings.FieldsFuncSeq(answer, func(r rune) bool { return r == ',' || r == ' ' }) {
		if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= len(found) {
			name = found[n-1]
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		w.note("No name is known by which phones reach this server: set public before you enrol one.")
		return nil
	}
	if err := w.set(ListValue("public", names)); err != nil {
		return err
	}
	bad := false
	for _, name := range names {
		p, err := config.ParsePublic(name)
		if err != nil {
			return err // cannot be: it was checked
		}
		text, ok := w.Machine.reach(ctx, p.Host).text()
		if ip, err := netip.ParseAddr(p.Host); ok && err == nil && ip.IsValid() && strings.HasSuffix(text, "an address of this machine") && w.Yes {
			continue // nothing to tell
		}
		bad = bad || !ok
		w.note("%s", text)
	}
	if !bad || w.Yes {
		return nil
	}
	yes, err := w.confirm(ctx, "Take it all the same?")
	if err == nil && !yes {
		err = errors.New("write another one")
	}
	return err
}

// confirm asks a short question in the middle of another one; Enter is no.
func (w *Wizard) confirm(ctx context.Context, text string) (yes bool, err error) {
	answer, err := w.Terminal.Line(ctx, "  "+text+" [no]: ")
	if err != nil {
		return false, err
	}
	if isBack(strings.TrimSpace(answer)) {
		return false, errBack
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}

// askExposure asks which listeners are open to whom.
func (w *Wizard) askExposure(ctx context.Context) error {
	c, err := w.Draft.Load()
	if err != nil {
		return err
	}
	return w.choose(ctx, "Who may connect, and how", []string{"TLS with certificates is open in any case: 8089 for phones, 8443, and 8446 to enrol."}, string(c.Exposure), []option{
		{"local", "beside that, programs on this machine, without encryption"},
		{"lan", "beside that, the network: plain ports for those without certificates. For networks you trust"},
		{"internet", "TLS alone: plain ports are closed"},
	}, func(_ context.Context, key string) error {
		w.Draft.Unset(w.plain...) // the question after this one asks anew
		w.plain = nil
		return w.set(Value{"exposure", key})
	})
}

// asksPlain: whoever chose lan may still do without the plain listeners of clients.
func (w *Wizard) asksPlain(context.Context) bool {
	c, err := w.Draft.Load()
	return err == nil && c.Exposure == config.ExposureLAN
}

// askPlain asks for plain CoT. 8080 goes with it, as its clients get their files
// there.
func (w *Wizard) askPlain(ctx context.Context) error {
	c, err := w.Draft.Load()
	if err != nil {
		return err
	}
	open := c.Listen.TCP != "" && !isLoopback(c.Listen.TCP)
	about := []string{"Port 8087, with 8080 for what they send one another: anybody in the network who gets", "there sees all and is seen by all who are in no group. Answer no when all have certificates."}
	return w.yesNo(ctx, "Are there clients that connect without encryption and login", about, open, func(yes bool) error {
		if yes == open {
			return nil
		}
		host := "127.0.0.1"
		if yes {
			host = "0.0.0.0"
		}
		def := config.Default()
		values := []Value{
			{"listen.tcp", withHost(host, c.Listen.TCP, def.Listen.TCP)},
			{"listen.http", withHost(host, c.Listen.HTTP, def.Listen.HTTP)},
		}
		if err := w.set(values...); err != nil {
			return err
		}
		w.plain = []string{"listen.tcp", "listen.http"}
		return nil
	})
}

// withHost gives the address with another host; a listener that is off gets its
// usual port.
func withHost(host, addr, byDefault string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		_, port, _ = net.SplitHostPort(byDefault)
	}
	return net.JoinHostPort(host, port)
}

// isLoopback reports whether only this machine reaches a listener.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// asksPorts looks whether all listeners could be opened.
func (w *Wizard) asksPorts(ctx context.Context) bool {
	c, err := w.Draft.Load()
	return err == nil && len(w.Machine.checkPorts(ctx, &c.Config)) > 0
}

// askPorts offers other ports for those that cannot be had.
func (w *Wizard) askPorts(ctx context.Context) error {
	c, err := w.Draft.Load()
	if err != nil {
		return err
	}
	for _, f := range w.Machine.checkPorts(ctx, &c.Config) {
		if !f.taken || w.Yes {
			w.note("%s: %s: %s", f.key, f.text, f.do)
			continue
		}
		if err := w.askPort(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (w *Wizard) askPort(ctx context.Context, f *portFault) error {
	free := w.Machine.freePortNear(ctx, f.addr, func(addr string) bool {
		next := &Draft{base: w.Draft.base, values: w.Draft.values}
		return next.Set(Value{f.key, addr}) != nil // another listener has it
	})
	about := []string{"Enter another address or port, or keep, if that program will have stopped when takhost starts."}
	byHand := "keep"
	if free != "" && w.FTS == nil {
		byHand = free
	}
	if w.FTS != nil {
		about = append(about, "If it is FreeTAKServer: keep, and stop it before.")
	}
	return w.ask(ctx, question{title: f.key + ": " + f.text, about: about, byHand: byHand, take: func(ctx context.Context, answer string) error {
		if strings.EqualFold(answer, "keep") {
			return nil
		}
		if _, err := strconv.ParseUint(answer, 10, 16); err == nil {
			host, _, err := net.SplitHostPort(f.addr)
			if err != nil {
				return err
			}
			answer = net.JoinHostPort(host, answer)
		}
		before := w.Draft.values
		if err := w.set(Value{f.key, answer}); err != nil {
			return err
		}
		if again := w.Machine.checkPort(ctx, f.key, answer); again != nil {
			w.Draft.values = before
			return errors.New(again.text)
		}
		return nil
	}})
}
