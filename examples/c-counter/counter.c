/* Counts the events that pass, by their CoT type, and shows the counts at a
 * route. The counts are documents of the collection "counts": the id is the type,
 * the body the number in decimal digits. */
#define TAK_PLUGIN
#include "tak.h"

#define COUNTS TAK_S("counts")

/* Types of one batch; more are counted in a second go over it. */
#define TYPES 32

/* Adds n to the count of a type. */
static tak_status add(tak_str type, uint64_t n)
{
	tak_document d;
	uint64_t before = 0;
	tak_status s = tak_get(COUNTS, type, &d);
	if (s != TAK_OK && s != TAK_NOT_FOUND)
		return s;
	if (s == TAK_OK && !tak_parse_uint(d.body, &before))
		tak_log(TAK_WARN, TAK_S("a count is no number: it starts again"));
	tak_out body = {0};
	tak_uint(&body, before + n);
	return body.bad ? TAK_LIMIT : tak_put(COUNTS, type, tak_written(&body));
}

static tak_status on_events(tak_str batch)
{
	struct {
		tak_str type;
		uint64_t n;
	} seen[TYPES];
	tak_str rest = tak_views(batch);
	while (rest.n) {
		tak_str v;
		uint32_t types = 0;
		while (tak_next_view(&rest, &v)) {
			tak_str type = tak_view_type(v);
			uint32_t i = 0;
			while (i < types && !tak_equal(seen[i].type, type))
				i++;
			if (i == types) {
				seen[i].type = type;
				seen[i].n = 0;
				types++;
			}
			seen[i].n++;
			if (types == TYPES)
				break;
		}
		if (!types)
			break; /* no view: not of a host */
		for (uint32_t i = 0; i < types; i++) {
			tak_status s = add(seen[i].type, seen[i].n);
			if (s != TAK_OK)
				return s;
		}
	}
	return TAK_OK;
}

/* GET /api/plugins/c-counter/counts: {"counts":{"a-f-G-U-C":12,...}} */
static tak_status on_counts(tak_out *out)
{
	tak_out body = {0};
	tak_text(&body, TAK_S("{\"counts\":{"));
	tak_str page, after = TAK_S("");
	const char *comma = "";
	do {
		tak_status s = tak_query(COUNTS, after, 0, &page);
		if (s != TAK_OK)
			return tak_fail(out, s, TAK_S("the counts cannot be read"));
		after = tak_next_page(page);
		for (tak_document d; tak_next_document(&page, &d); comma = ",") {
			tak_text(&body, (tak_str){comma, comma[0] != 0});
			tak_json(&body, d.id);
			tak_byte(&body, ':');
			tak_text(&body, d.body);
		}
	} while (after.n);
	tak_text(&body, TAK_S("}}"));
	return tak_respond(out, 200, TAK_S(""), &body);
}

tak_status tak_handle(uint32_t op, tak_str in, tak_out *out)
{
	switch (op) {
	case TAK_OP_DESCRIBE:
		return tak_describe(out, TAK_S("c-counter"), TAK_S("1.0.0"));
	case TAK_OP_INIT:
	case TAK_OP_HEALTH:
	case TAK_OP_STOP:
		return TAK_OK;
	case TAK_OP_EVENTS:
		return on_events(in);
	case TAK_OP_HTTP:
		if (tak_equal(tak_read_request(in).route, TAK_S("counts")))
			return on_counts(out);
		return tak_fail(out, TAK_NOT_FOUND, TAK_S("there is no such route"));
	}
	return TAK_UNSUPPORTED;
}
