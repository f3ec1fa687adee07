/* The guest of cases_test.go in C: it shows what the header reads and writes. */
#define TAK_PLUGIN
#include "tak.h"

static void field(tak_out *o, tak_str s)
{
	tak_text(o, s);
	tak_byte(o, '|');
}

static void number(tak_out *o, int64_t v)
{
	if (v < 0)
		tak_byte(o, '-');
	tak_uint(o, v < 0 ? -(uint64_t)v : (uint64_t)v);
	tak_byte(o, '|');
}

/* Each event becomes a document with all that its view has. */
static tak_status on_events(tak_str batch)
{
	tak_str views = tak_views(batch);
	for (tak_str v; tak_next_view(&views, &v);) {
		tak_out o = {0};
		number(&o, tak_view_id(v));
		number(&o, tak_view_recv(v));
		number(&o, tak_view_time(v));
		number(&o, tak_view_start(v));
		number(&o, tak_view_stale(v));
		number(&o, (int64_t)(tak_view_lat(v) * 1000));
		number(&o, (int64_t)(tak_view_lon(v) * 1000));
		number(&o, (int64_t)(tak_view_hae(v) * 1000));
		number(&o, (int64_t)(tak_view_speed(v) * 1000));
		number(&o, (int64_t)(tak_view_course(v) * 1000));
		number(&o, tak_view_matched(v, 0));
		number(&o, tak_view_matched(v, 5));
		field(&o, tak_view_type(v));
		field(&o, tak_view_how(v));
		field(&o, tak_view_callsign(v));
		field(&o, tak_view_endpoint(v));
		field(&o, tak_view_team(v));
		field(&o, tak_view_role(v));
		field(&o, tak_view_user(v));
		field(&o, tak_view_client(v));
		tak_node detail = tak_root(tak_view_detail(v));
		for (tak_node c = tak_first(detail); c.tree.n; c = tak_after(detail, c))
			field(&o, tak_name(c));
		field(&o, tak_attr(tak_child(detail, TAK_S("contact")), TAK_S("callsign")));
		field(&o, tak_attr(tak_child(detail, TAK_S("contact")), TAK_S("none")));
		field(&o, tak_node_text(tak_child(detail, TAK_S("remarks"))));
		field(&o, tak_raw(tak_child(detail, TAK_S("remarks"))));
		number(&o, tak_view_xml(v).n);
		tak_status s = o.bad ? TAK_LIMIT : tak_put(TAK_S("seen"), tak_view_uid(v), tak_written(&o));
		if (s != TAK_OK)
			return s;
	}
	return TAK_OK;
}

static tak_status on_http(tak_str in, tak_out *out)
{
	tak_request r = tak_read_request(in);
	tak_out o = {0};
	tak_status s = TAK_OK;
	if (tak_equal(r.route, TAK_S("echo"))) {
		field(&o, r.method);
		field(&o, r.path);
		field(&o, tak_param(&r, TAK_S("id")));
		field(&o, tak_query_param(&r, TAK_S("q")));
		field(&o, tak_query_param(&r, TAK_S("none")));
		field(&o, r.body);
		tak_node list = tak_child(tak_root(r.tree), TAK_S("list"));
		for (tak_node c = tak_first(list); c.tree.n; c = tak_after(list, c))
			field(&o, tak_node_text(c));
		tak_json(&o, r.body);
		return tak_respond(out, 201, TAK_S("text/plain"), &o);
	}
	if (tak_equal(r.route, TAK_S("emit"))) {
		s = tak_emit_as(TAK_S("<event/>"), 77);
		if (s == TAK_OK)
			s = tak_emit_group(TAK_S("<event2/>"), TAK_S("Blue"));
	} else if (tak_equal(r.route, TAK_S("delete"))) {
		s = tak_delete(TAK_S("seen"), tak_query_param(&r, TAK_S("id")));
		tak_document d;
		number(&o, tak_get(TAK_S("seen"), tak_query_param(&r, TAK_S("id")), &d));
	} else if (tak_equal(r.route, TAK_S("config"))) {
		tak_str tree;
		s = tak_config(&tree);
		field(&o, tak_node_text(tak_child(tak_root(tree), TAK_S("radius"))));
		number(&o, tak_now());
		tak_log(TAK_ERROR, TAK_S("looked at the config"));
	}
	if (s != TAK_OK)
		return tak_fail(out, s, TAK_S("not done"));
	return tak_respond(out, 0, TAK_S(""), &o);
}

tak_status tak_handle(uint32_t op, tak_str in, tak_out *out)
{
	switch (op) {
	case TAK_OP_DESCRIBE:
		return tak_describe(out, TAK_S("cases"), TAK_S("1.0.0"));
	case TAK_OP_INIT:
		return TAK_OK;
	case TAK_OP_EVENTS:
		return on_events(in);
	case TAK_OP_HTTP:
		return on_http(in, out);
	}
	return TAK_UNSUPPORTED;
}
