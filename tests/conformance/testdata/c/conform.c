/* The conformance guest in C; package conformance has the cases. */
#define TAK_PLUGIN
#include "tak.h"

/* What the one instance remembers. */
static struct {
	uint64_t handled;
	bool sick;
	char version[64];
	uint32_t version_n;
} state;

/* ---- text that the cases compare: fields with a bar behind each ---- */

static void field(tak_out *o, tak_str s)
{
	tak_text(o, s);
	tak_byte(o, '|');
}

static void unsigned_(tak_out *o, uint64_t v)
{
	tak_uint(o, v);
	tak_byte(o, '|');
}

static void number(tak_out *o, int64_t v)
{
	if (v < 0)
		tak_byte(o, '-');
	unsigned_(o, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

static void bits(tak_out *o, double d)
{
	uint64_t v;
	__builtin_memcpy(&v, &d, 8);
	unsigned_(o, v);
}

static void hex(tak_out *o, tak_str s)
{
	static const char digits[] = "0123456789abcdef";
	for (uint32_t i = 0; i < s.n; i++) {
		tak_byte(o, (uint8_t)digits[(uint8_t)s.p[i] >> 4]);
		tak_byte(o, (uint8_t)digits[s.p[i] & 15]);
	}
	tak_byte(o, '|');
}

/* All texts of a repeated field. */
static void each(tak_out *o, tak_str m, uint32_t number)
{
	for (tak_field f; tak_next(&m, &f);)
		if (f.number == number)
			field(o, f.bytes);
}

/* Writes a tree: kind, name, attributes, text, and the nodes below. */
static void dump(tak_out *o, tak_node n)
{
	const tak_str names[] = {TAK_S("callsign"), TAK_S("name"), TAK_S("role"), TAK_S("empty"), TAK_S("none")};
	tak_uint(o, tak_kind(n));
	tak_byte(o, ':');
	tak_text(o, tak_name(n));
	tak_byte(o, '{');
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		tak_str value = tak_attr(n, names[i]);
		if (!value.p)
			continue;
		tak_text(o, names[i]);
		tak_byte(o, '=');
		tak_text(o, value);
		tak_byte(o, ',');
	}
	tak_byte(o, '}');
	tak_text(o, tak_node_text(n));
	for (tak_node c = tak_first(n); c.tree.n; c = tak_after(n, c)) {
		tak_byte(o, '[');
		dump(o, c);
		tak_byte(o, ']');
	}
}

/* An error with the step in front of what the host said. */
static tak_status pass_on(tak_out *out, tak_status s, tak_str step)
{
	tak_out o = {0};
	tak_text(&o, step);
	tak_text(&o, TAK_S(": "));
	tak_text(&o, tak_reason());
	return tak_fail(out, s, tak_written(&o));
}

static tak_status ask(tak_out *out, tak_str step, uint32_t op, const tak_out *m, tak_str *answer)
{
	tak_status s = tak_ask(op, m, answer);
	return s == TAK_OK ? s : pass_on(out, s, step);
}

/* ---- members of a request's JSON ---- */

static tak_node member(const tak_request *r, tak_str name) { return tak_child(tak_root(r->tree), name); }
static tak_str arg(const tak_request *r, tak_str name) { return tak_node_text(member(r, name)); }
static bool is_true(const tak_request *r, tak_str name) { return tak_equal(arg(r, name), TAK_S("true")); }

static int64_t parse(tak_str s)
{
	uint64_t v = 0;
	bool minus = s.n && *s.p == '-';
	tak_parse_uint((tak_str){s.p + minus, s.n - minus}, &v);
	return (int64_t)(minus ? -v : v);
}

static int64_t whole(const tak_request *r, tak_str name) { return parse(arg(r, name)); }

static void list(tak_out *m, uint32_t number, tak_node n)
{
	for (tak_node c = tak_first(n); c.tree.n; c = tak_after(n, c))
		tak_put_str(m, number, tak_node_text(c));
}

/* Reads values such as [{"int": "5"}]: a float is the number of its bits, bytes are
 * hexadecimal digits. */
static void tuple(tak_out *key, tak_node n)
{
	for (tak_node c = tak_first(n); c.tree.n; c = tak_after(n, c)) {
		tak_node v = tak_first(c);
		tak_str name = tak_name(v), t = tak_node_text(v);
		if (tak_equal(name, TAK_S("bool"))) {
			tak_key_bool(key, tak_equal(t, TAK_S("true")));
		} else if (tak_equal(name, TAK_S("int"))) {
			tak_key_int(key, parse(t));
		} else if (tak_equal(name, TAK_S("time"))) {
			tak_key_time(key, parse(t));
		} else if (tak_equal(name, TAK_S("text"))) {
			tak_key_text(key, t);
		} else if (tak_equal(name, TAK_S("float"))) {
			uint64_t as = (uint64_t)parse(t);
			double d;
			__builtin_memcpy(&d, &as, 8);
			tak_key_float(key, d);
		} else if (tak_equal(name, TAK_S("bytes"))) {
			tak_out b = {0};
			for (uint32_t i = 0; i + 1 < t.n; i += 2) {
				uint8_t high = (uint8_t)t.p[i], low = (uint8_t)t.p[i + 1];
				tak_byte(&b, (uint8_t)((high & 15) + (high > '9' ? 9 : 0)) << 4 | ((low & 15) + (low > '9' ? 9 : 0)));
			}
			tak_key_bytes(key, tak_written(&b));
		}
	}
}

static void put_key(tak_out *m, uint32_t number, tak_str index, const tak_out *key)
{
	uint32_t k = tak_begin(m, number);
	tak_put_str(m, 1, index);
	tak_put_str(m, 2, tak_written(key));
	tak_end(m, k);
}

/* ---- life ---- */

static tak_status configure(tak_str in, tak_out *out)
{
	tak_out o = {0};
	tak_node config = tak_root(tak_str_field(in, 3)), why = tak_child(config, TAK_S("refuse"));
	if (why.tree.n) {
		tak_text(&o, TAK_S("config.refuse: "));
		tak_text(&o, tak_node_text(why));
		tak_status s = tak_fail(out, TAK_INVALID, tak_written(&o));
		tak_put_str(out, 1, TAK_S("config"));
		return s;
	}
	tak_node items = tak_child(config, TAK_S("list"));
	unsigned n = 0;
	for (tak_node c = tak_first(items); c.tree.n; c = tak_after(items, c))
		n++;
	field(&o, tak_str_field(in, 1));
	field(&o, tak_str_field(in, 2));
	field(&o, tak_node_text(tak_child(config, TAK_S("unit"))));
	field(&o, tak_node_text(tak_child(config, TAK_S("radius"))));
	number(&o, n);
	number(&o, (int64_t)tak_uint_field(in, 5));
	number(&o, (int64_t)tak_uint_field(in, 6));
	field(&o, tak_str_field(in, 7));
	tak_str m = in;
	for (tak_field f; tak_next(&m, &f);) {
		if (f.number == 4) {
			each(&o, f.bytes, 1);
			each(&o, f.bytes, 2);
		}
	}
	each(&o, in, 8);
	each(&o, in, 9);
	field(&o, tak_str_field(in, 10));
	return tak_put(TAK_S("state"), TAK_S("config"), tak_written(&o));
}

static tak_status on_init(tak_str in, tak_out *out)
{
	tak_str version = tak_str_field(in, 2);
	state.handled = 0;
	state.sick = false;
	state.version_n = version.n < sizeof state.version ? version.n : sizeof state.version;
	if (state.version_n)
		__builtin_memcpy(state.version, version.p, state.version_n);
	return configure(in, out);
}

static void entry(tak_out *out, tak_str key, tak_str value)
{
	uint32_t e = tak_begin(out, 2);
	tak_put_str(out, 1, key);
	tak_put_str(out, 2, value);
	tak_end(out, e);
}

static tak_status on_snapshot(tak_out *out)
{
	tak_out o = {0};
	unsigned_(&o, state.handled);
	tak_put_str(out, 1, (tak_str){state.version, state.version_n});
	entry(out, TAK_S("handled"), tak_written(&o));
	entry(out, TAK_S("\0\xff"), TAK_S("\0\1"));
	return TAK_OK;
}

static tak_status on_restore(tak_str in)
{
	tak_out o = {0};
	field(&o, tak_str_field(in, 1));
	for (tak_field f; tak_next(&in, &f);) {
		if (f.number != 2)
			continue;
		tak_str key = tak_str_field(f.bytes, 1), value = tak_str_field(f.bytes, 2);
		if (tak_equal(key, TAK_S("handled")) && value.n)
			state.handled = (uint64_t)parse((tak_str){value.p, value.n - 1});
		hex(&o, key);
		hex(&o, value);
	}
	return tak_put(TAK_S("state"), TAK_S("restored"), tak_written(&o));
}

static tak_status on_reindex(tak_str in, tak_out *out)
{
	bool by_id = false, by_size = false;
	tak_field f;
	for (tak_str m = in; tak_next(&m, &f);) {
		by_id |= f.number == 2 && tak_equal(f.bytes, TAK_S("by-id"));
		by_size |= f.number == 2 && tak_equal(f.bytes, TAK_S("by-size"));
	}
	while (tak_next(&in, &f)) {
		if (f.number != 1)
			continue;
		tak_out id = {0}, size = {0};
		tak_key_text(&id, tak_str_field(f.bytes, 2));
		tak_key_int(&size, tak_str_field(f.bytes, 3).n);
		uint32_t d = tak_begin(out, 1);
		if (by_id)
			put_key(out, 1, TAK_S("by-id"), &id);
		if (by_size)
			put_key(out, 1, TAK_S("by-size"), &size);
		tak_end(out, d);
	}
	return TAK_OK;
}

/* ---- events, clients, timers, actions ---- */

static void facts(tak_out *o, tak_str batch, tak_str v)
{
	number(o, tak_attempt(batch));
	unsigned_(o, tak_missed(batch));
	unsigned_(o, tak_delivery(batch));
	number(o, tak_view_id(v));
	number(o, tak_view_recv(v));
	number(o, tak_view_time(v));
	number(o, tak_view_start(v));
	number(o, tak_view_stale(v));
	bits(o, tak_view_lat(v));
	bits(o, tak_view_lon(v));
	bits(o, tak_view_hae(v));
	bits(o, tak_view_ce(v));
	bits(o, tak_view_le(v));
	bits(o, tak_view_speed(v));
	bits(o, tak_view_course(v));
	uint32_t matched = 0;
	for (unsigned i = 0; i < 32; i++)
		matched |= (uint32_t)tak_view_matched(v, i) << i;
	unsigned_(o, tak_view_connection(v));
	number(o, tak_view_groups(v));
	unsigned_(o, tak_view_flags(v));
	unsigned_(o, tak_view_node(v));
	unsigned_(o, tak_view_origin(v));
	unsigned_(o, tak_view_hops(v));
	unsigned_(o, matched);
	field(o, tak_view_uid(v));
	field(o, tak_view_type(v));
	field(o, tak_view_how(v));
	field(o, tak_view_callsign(v));
	field(o, tak_view_endpoint(v));
	field(o, tak_view_team(v));
	field(o, tak_view_role(v));
	field(o, tak_view_user(v));
	field(o, tak_view_client(v));
	unsigned kind;
	tak_str value;
	for (uint32_t i = 0; tak_view_dest(v, i, &kind, &value); i++) {
		unsigned_(o, kind);
		field(o, value);
	}
	tak_node detail = tak_root(tak_view_detail(v));
	dump(o, detail);
	field(o, TAK_S(""));
	field(o, tak_raw(tak_child(detail, TAK_S("remarks"))));
	field(o, tak_view_xml(v));
}

static void refuse(tak_out *out, uint32_t event, tak_status s, tak_str why)
{
	uint32_t result = tak_begin(out, 1);
	tak_put_uint(out, 1, event);
	tak_put_uint(out, 2, s);
	tak_put_str(out, 3, why);
	tak_end(out, result);
}

static tak_status on_events(tak_str batch, tak_out *out)
{
	uint32_t i = 0;
	for (tak_str v, views = tak_views(batch); tak_next_view(&views, &v); i++) {
		tak_str type = tak_view_type(v);
		state.handled++;
		if (tak_equal(type, TAK_S("x-refuse"))) {
			refuse(out, i, TAK_INVALID, TAK_S("not this one"));
			continue;
		}
		if (tak_equal(type, TAK_S("x-retry"))) {
			refuse(out, i, TAK_RETRY, TAK_S("not now"));
			continue;
		}
		tak_out body = {0}, m = {0};
		tak_str answer;
		facts(&body, batch, v);
		tak_put_str(&m, 1, TAK_S("seen"));
		tak_put_str(&m, 2, tak_view_uid(v));
		tak_put_str(&m, 3, tak_written(&body));
		tak_put_uint(&m, 5, (uint64_t)(int64_t)tak_view_groups(v));
		m.bad |= body.bad;
		tak_status s = ask(out, TAK_S("put"), TAK_HOST_PUT, &m, &answer);
		if (s != TAK_OK)
			return s;
		if (tak_equal(type, TAK_S("x-late")))
			return tak_fail(out, TAK_RETRY, TAK_S("after an effect"));
	}
	return TAK_OK;
}

static tak_status on_filter(tak_str batch, tak_out *out)
{
	tak_str v, views = tak_views(batch);
	tak_str type = tak_next_view(&views, &v) ? tak_view_type(v) : TAK_S("");
	if (tak_equal(type, TAK_S("x-drop"))) {
		tak_put_uint(out, 1, 1);
		tak_put_str(out, 3, TAK_S("dropped"));
	} else if (tak_equal(type, TAK_S("x-replace"))) {
		tak_put_uint(out, 1, 2);
		tak_put_str(out, 2, TAK_S("<event/>"));
		tak_put_str(out, 3, TAK_S("changed"));
	} else if (tak_equal(type, TAK_S("x-refuse"))) {
		return tak_fail(out, TAK_FAILED, TAK_S("not this one"));
	}
	return TAK_OK;
}

static tak_status on_clients(tak_str in)
{
	for (tak_field f; tak_next(&in, &f);) {
		if (f.number != 1)
			continue;
		tak_out o = {0};
		tak_str client = tak_str_field(f.bytes, 2);
		number(&o, (int64_t)tak_uint_field(f.bytes, 1));
		number(&o, (int64_t)tak_uint_field(f.bytes, 3));
		field(&o, tak_str_field(client, 2));
		number(&o, (int64_t)tak_uint_field(client, 7));
		tak_status s = tak_put(TAK_S("clients"), tak_str_field(client, 1), tak_written(&o));
		if (s != TAK_OK)
			return s;
	}
	return TAK_OK;
}

static tak_status on_timer(tak_str in, tak_out *out)
{
	if (!tak_equal(tak_str_field(in, 1), TAK_S("tick")))
		return tak_fail(out, TAK_UNSUPPORTED, TAK_S("there is no such timer"));
	tak_out o = {0};
	number(&o, (int64_t)tak_uint_field(in, 2));
	number(&o, (int64_t)tak_uint_field(in, 3));
	field(&o, tak_str_field(in, 4));
	return tak_put(TAK_S("ticks"), TAK_S("tick"), tak_written(&o));
}

/* Gives the sum of the numbers of its body's bytes, and who asks. */
static tak_status on_action(tak_str in, tak_out *out)
{
	if (!tak_equal(tak_str_field(in, 1), TAK_S("add")))
		return tak_fail(out, TAK_UNSUPPORTED, TAK_S("there is no such action"));
	tak_str body = tak_str_field(in, 3), who = tak_str_field(in, 5);
	uint64_t sum = 0;
	for (uint32_t i = 0; i < body.n; i++)
		sum += (uint8_t)body.p[i];
	tak_out o = {0};
	unsigned_(&o, sum);
	unsigned_(&o, tak_uint_field(in, 2));
	field(&o, tak_str_field(who, 1));
	each(&o, who, 10);
	tak_put_str(out, 1, tak_written(&o));
	return TAK_OK;
}

#include "files.h"
#include "routes.h"

tak_status tak_handle(uint32_t op, tak_str in, tak_out *out)
{
	switch (op) {
	case TAK_OP_DESCRIBE:
		return tak_describe(out, TAK_S("conform"), TAK_S("1.0.0"));
	case TAK_OP_INIT:
		return on_init(in, out);
	case TAK_OP_RECONFIGURE:
		return configure(in, out);
	case TAK_OP_HEALTH:
		return state.sick ? tak_fail(out, TAK_RETRY, TAK_S("sick since the request")) : TAK_OK;
	case TAK_OP_STOP:
		return TAK_OK;
	case TAK_OP_EVENTS:
		return on_events(in, out);
	case TAK_OP_HTTP:
		return on_http(in, out);
	case TAK_OP_TIMER:
		return on_timer(in, out);
	case TAK_OP_SNAPSHOT:
		return on_snapshot(out);
	case TAK_OP_RESTORE:
		return on_restore(in);
	case TAK_OP_REINDEX:
		return on_reindex(in, out);
	case TAK_OP_FILTER:
		return on_filter(in, out);
	case TAK_OP_ACTION:
		return on_action(in, out);
	case TAK_OP_CLIENTS:
		return on_clients(in);
	}
	return TAK_UNSUPPORTED;
}
