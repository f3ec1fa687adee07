package route

// Cut ends the sessions that match names, such as those of a certificate that
// was revoked, and tells how many they were. What they have sent and is not
// routed yet goes to nobody; those who saw them are told as at any leaving. why
// is the reason in the log. match is called under the router's lock: it must
// not block and must not call the router.
func (r *Router) Cut(match func(Who) bool, why string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sessions {
		if !s.cut && match(s.who) {
			s.cut = true
			s.rcv.Close(why)
			n++
		}
	}
	return n
}

// Resend hands the sessions that match names all positions that they may see,
// as when they came. It tells how many they were. The rules of Cut hold for
// match; uid is that of the session's client, or "".
func (r *Router) Resend(match func(who Who, uid string) bool) (n int) {
	r.mu.Lock()
	v := views{r: r, now: r.opt.Now().UnixMicro(), by: map[viewKey]*view{}}
	for _, s := range r.sessions {
		uid := ""
		if s.client != nil {
			uid = s.client.uid
		}
		if match(s.who, uid) {
			w := v.of(viewKey{s.who.Out, s.who.Out, true})
			s.replay(w.seen, w.seenOf)
			n++
		}
	}
	r.mu.Unlock()
	r.flush()
	return n
}
