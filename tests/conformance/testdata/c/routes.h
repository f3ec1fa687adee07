/* Requests to the conformance guest; a part of conform.c. */

static void range(tak_out *m, const tak_request *r)
{
	tak_str index = arg(r, TAK_S("index"));
	tak_put_str(m, 1, arg(r, TAK_S("collection")));
	tak_put_str(m, 2, index);
	const struct {
		tak_str name;
		bool from, to;
	} bounds[] = {{TAK_S("from"), true, false}, {TAK_S("before"), false, true}, {TAK_S("is"), true, true}};
	for (unsigned i = 0; i < sizeof bounds / sizeof *bounds; i++) {
		tak_node n = member(r, bounds[i].name);
		if (!n.tree.n)
			continue;
		tak_out key = {0};
		if (index.n)
			tuple(&key, n);
		else
			tak_text(&key, tak_node_text(tak_first(tak_first(n)))); /* an id */
		if (bounds[i].from)
			tak_put_str(m, 3, tak_written(&key));
		if (bounds[i].from && bounds[i].to && index.n)
			tak_key_after(&key);
		else if (bounds[i].from && bounds[i].to)
			tak_byte(&key, 0);
		if (bounds[i].to)
			tak_put_str(m, 4, tak_written(&key));
	}
}

static tak_status query(const tak_request *r, tak_out *o, tak_out *out)
{
	tak_str after = {NULL, 0};
	do {
		tak_out m = {0};
		tak_str page;
		range(&m, r);
		tak_put_uint(&m, 5, is_true(r, TAK_S("descending")));
		tak_put_uint(&m, 6, (uint64_t)whole(r, TAK_S("limit")));
		tak_put_str(&m, 7, after);
		tak_status s = ask(out, TAK_S("query"), TAK_HOST_QUERY, &m, &page);
		if (s != TAK_OK)
			return s;
		after = tak_next_page(page);
		for (tak_field f; tak_next(&page, &f);) {
			if (f.number != 1)
				continue;
			field(o, tak_str_field(f.bytes, 2));
			field(o, tak_str_field(f.bytes, 3));
			hex(o, tak_str_field(f.bytes, 8));
		}
	} while (after.n);
	return TAK_OK;
}

static void put_message(tak_out *m, const tak_request *r)
{
	tak_put_str(m, 1, arg(r, TAK_S("collection")));
	tak_put_str(m, 2, arg(r, TAK_S("id")));
	tak_put_str(m, 3, arg(r, TAK_S("body")));
	tak_node keys = member(r, TAK_S("keys"));
	for (tak_node c = tak_first(keys); c.tree.n; c = tak_after(keys, c)) {
		tak_out key = {0};
		tuple(&key, c);
		put_key(m, 4, tak_name(c), &key);
	}
	tak_put_uint(m, 5, (uint64_t)whole(r, TAK_S("set")));
	tak_put_uint(m, 6, is_true(r, TAK_S("new")));
}

static void emit_message(tak_out *m, const tak_request *r)
{
	uint32_t emission = tak_begin(m, 1);
	tak_put_str(m, 1, arg(r, TAK_S("xml")));
	uint32_t audience = tak_begin(m, 2);
	list(m, 1, member(r, TAK_S("groups")));
	tak_put_uint(m, 2, is_true(r, TAK_S("all")));
	list(m, 3, member(r, TAK_S("uids")));
	list(m, 4, member(r, TAK_S("callsigns")));
	tak_put_str(m, 5, arg(r, TAK_S("topic")));
	tak_put_uint(m, 6, (uint64_t)whole(r, TAK_S("event")));
	tak_put_uint(m, 7, (uint64_t)whole(r, TAK_S("set")));
	list(m, 8, member(r, TAK_S("except")));
	tak_end(m, audience);
	tak_put_uint(m, 3, is_true(r, TAK_S("fleeting")));
	tak_end(m, emission);
}

static void request(const tak_request *r, tak_out *o)
{
	field(o, r->route);
	field(o, r->method);
	field(o, r->path);
	field(o, r->content_type);
	field(o, tak_param(r, TAK_S("id")));
	field(o, tak_query_param(r, TAK_S("q")));
	field(o, tak_query_param(r, TAK_S("none")));
	field(o, tak_request_header(r, TAK_S("x-a")));
	field(o, tak_form_field(r, TAK_S("f")));
	field(o, r->body);
	tak_str who = tak_str_field(r->message, 7);
	field(o, tak_str_field(who, 1));
	field(o, tak_str_field(who, 2));
	each(o, who, 3);
	number(o, (int64_t)tak_uint_field(who, 4));
	number(o, (int64_t)tak_uint_field(who, 5));
	field(o, tak_str_field(who, 6));
	each(o, who, 10);
	dump(o, tak_root(r->tree));
}

/* An answer of several parts. */
static tak_status response(tak_out *out)
{
	tak_out from = {0};
	tak_key_text(&from, TAK_S("a"));
	tak_answer(out, 207, TAK_S("text/x"));
	tak_answer_header(out, TAK_S("x-a"), TAK_S("b"));
	tak_answer_header(out, TAK_S("x-\u00e4"), TAK_S(""));
	tak_answer_data(out, TAK_S("["));
	uint32_t part = tak_begin(out, 4), documents = tak_begin(out, 3), q = tak_begin(out, 1);
	tak_put_str(out, 1, TAK_S("seen"));
	tak_put_str(out, 2, TAK_S("by-kinds"));
	tak_put_str(out, 3, tak_written(&from));
	tak_key_after(&from);
	tak_put_str(out, 4, tak_written(&from));
	tak_end(out, q);
	tak_put_str(out, 2, TAK_S(","));
	tak_end(out, documents);
	tak_end(out, part);
	tak_answer_document(out, TAK_S("seen"), TAK_S("x"));
	tak_answer_data(out, TAK_S("]"));
	return TAK_OK;
}

static tak_status on_http(tak_str in, tak_out *out)
{
	tak_request request_ = tak_read_request(in), *r = &request_;
	tak_out o = {0}, m = {0};
	tak_str answer;
	tak_status s = TAK_OK;
	bool done = false;
	if (on_file(r, &o, out, &s, &done))
		return done || s != TAK_OK ? s : tak_respond(out, 0, TAK_S(""), &o);
#define ROUTE(name) (tak_equal(r->route, TAK_S(name)))
	if ROUTE("request") {
		request(r, &o);
	} else if ROUTE("response") {
		return response(out);
	} else if ROUTE("config") {
		s = tak_config(&answer);
		field(&o, tak_node_text(tak_child(tak_root(answer), TAK_S("unit"))));
		field(&o, tak_node_text(tak_child(tak_root(answer), TAK_S("radius"))));
	} else if ROUTE("clock") {
		number(&o, tak_now());
	} else if ROUTE("random") {
		tak_put_uint(&m, 1, (uint64_t)whole(r, TAK_S("n")));
		if ((s = ask(out, TAK_S("random"), TAK_HOST_RANDOM, &m, &answer)) == TAK_OK)
			hex(&o, answer);
	} else if ROUTE("log") {
		tak_log(TAK_DEBUG, arg(r, TAK_S("message")));
		tak_log(TAK_INFO, arg(r, TAK_S("message")));
		tak_log(TAK_WARN, arg(r, TAK_S("message")));
		tak_log(TAK_ERROR, arg(r, TAK_S("message")));
	} else if ROUTE("put") {
		put_message(&m, r);
		s = ask(out, TAK_S("put"), TAK_HOST_PUT, &m, &answer);
	} else if ROUTE("get") {
		tak_put_str(&m, 1, arg(r, TAK_S("collection")));
		tak_put_str(&m, 2, arg(r, TAK_S("id")));
		if ((s = ask(out, TAK_S("get"), TAK_HOST_GET, &m, &answer)) == TAK_OK) {
			tak_document d;
			if (!tak_next_document(&answer, &d)) {
				tak_text(&o, TAK_S("there is no "));
				tak_text(&o, arg(r, TAK_S("id")));
				return tak_fail(out, TAK_NOT_FOUND, tak_written(&o));
			}
			field(&o, d.id);
			field(&o, d.body);
			unsigned_(&o, d.revision);
		}
	} else if ROUTE("delete") {
		tak_put_str(&m, 1, arg(r, TAK_S("collection")));
		tak_put_str(&m, 2, arg(r, TAK_S("id")));
		if ((s = ask(out, TAK_S("delete"), TAK_HOST_DELETE, &m, &answer)) == TAK_OK)
			field(&o, tak_uint_field(answer, 1) ? TAK_S("true") : TAK_S("false"));
	} else if ROUTE("query") {
		s = query(r, &o, out);
	} else if ROUTE("count") {
		range(&m, r);
		tak_put_uint(&m, 10, 1);
		if ((s = ask(out, TAK_S("query"), TAK_HOST_QUERY, &m, &answer)) == TAK_OK)
			unsigned_(&o, tak_uint_field(answer, 3));
	} else if ROUTE("key") {
		tak_out key = {0};
		tuple(&key, tak_root(r->tree));
		tak_put_str(&m, 1, TAK_S("keys"));
		tak_put_str(&m, 2, TAK_S("k"));
		put_key(&m, 4, TAK_S("any"), &key);
		s = ask(out, TAK_S("put"), TAK_HOST_PUT, &m, &answer);
	} else if ROUTE("counter") {
		tak_put_str(&m, 1, arg(r, TAK_S("name")));
		if ((s = ask(out, TAK_S("counter"), TAK_HOST_COUNTER, &m, &answer)) == TAK_OK)
			number(&o, (int64_t)tak_uint_field(answer, 1));
	} else if ROUTE("emit") {
		emit_message(&m, r);
		s = ask(out, TAK_S("emit"), TAK_HOST_EMIT, &m, &answer);
	} else if ROUTE("timer.set") {
		tak_put_str(&m, 1, arg(r, TAK_S("name")));
		tak_put_uint(&m, 2, (uint64_t)whole(r, TAK_S("at")));
		tak_put_uint(&m, 3, (uint64_t)whole(r, TAK_S("every")));
		tak_put_str(&m, 4, arg(r, TAK_S("data")));
		s = ask(out, TAK_S("timer"), 0x70, &m, &answer);
	} else if ROUTE("timer.cancel") {
		tak_put_str(&m, 1, arg(r, TAK_S("name")));
		s = ask(out, TAK_S("timer"), 0x71, &m, &answer);
	} else if ROUTE("clients") {
		list(&m, 2, member(r, TAK_S("callsigns")));
		s = ask(out, TAK_S("clients"), 0x40, &m, &answer);
		for (tak_field f; s == TAK_OK && tak_next(&answer, &f);) {
			uint64_t lat = tak_uint_field(f.bytes, 16);
			double degrees;
			__builtin_memcpy(&degrees, &lat, 8);
			field(&o, tak_str_field(f.bytes, 1));
			field(&o, tak_str_field(f.bytes, 2));
			field(&o, tak_str_field(f.bytes, 4));
			number(&o, (int64_t)tak_uint_field(f.bytes, 7));
			number(&o, (int64_t)(degrees * 1000));
		}
	} else if ROUTE("identity") {
		tak_put_str(&m, 1, arg(r, TAK_S("user")));
		tak_put_uint(&m, 2, (uint64_t)whole(r, TAK_S("set")));
		tak_put_str(&m, 3, arg(r, TAK_S("serial")));
		if ((s = ask(out, TAK_S("identity"), 0x50, &m, &answer)) == TAK_OK) {
			field(&o, tak_str_field(answer, 1));
			field(&o, tak_str_field(answer, 2));
			each(&o, answer, 3);
			number(&o, (int64_t)tak_uint_field(answer, 4));
			number(&o, (int64_t)tak_uint_field(answer, 5));
			each(&o, answer, 6);
			hex(&o, tak_str_field(answer, 7));
			if (tak_uint_field(answer, 8))
				field(&o, TAK_S("revoked"));
		}
	} else if ROUTE("call") {
		tak_put_str(&m, 1, arg(r, TAK_S("name")));
		tak_put_uint(&m, 2, (uint64_t)whole(r, TAK_S("version")));
		tak_put_str(&m, 3, arg(r, TAK_S("body")));
		if ((s = ask(out, TAK_S("call"), 0xb0, &m, &answer)) == TAK_OK)
			field(&o, tak_str_field(answer, 1));
	} else if ROUTE("fail") {
		s = tak_fail(out, (tak_status)whole(r, TAK_S("status")), arg(r, TAK_S("message")));
		tak_put_str(out, 1, arg(r, TAK_S("code")));
	} else if ROUTE("large") {
		letters(&o, whole(r, TAK_S("n")));
	} else if ROUTE("sum") {
		tak_str body = r->body;
		tak_document d;
		if (arg(r, TAK_S("id")).n) {
			s = tak_get(arg(r, TAK_S("collection")), arg(r, TAK_S("id")), &d);
			if (s == TAK_OK)
				body = d.body;
		}
		uint64_t sum = 0;
		for (uint32_t i = 0; i < body.n; i++)
			sum += (uint8_t)body.p[i];
		unsigned_(&o, body.n);
		unsigned_(&o, sum);
	} else if ROUTE("sick") {
		state.sick = true;
	} else if ROUTE("panic") {
		__builtin_trap();
	} else if ROUTE("spin") {
		for (volatile unsigned spun = 0;; spun++)
			;
	} else {
		return tak_fail(out, TAK_UNSUPPORTED, TAK_S("there is no such route"));
	}
	return s == TAK_OK ? tak_respond(out, 0, TAK_S(""), &o) : s;
}
