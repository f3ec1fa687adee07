/* Files of the conformance guest; a part of conform.c. */

static void letters(tak_out *o, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		tak_byte(o, (uint8_t)('a' + i % 26));
}

static void file(tak_out *o, const tak_blob *b)
{
	field(o, b->hash);
	number(o, b->size);
	field(o, b->content_type);
	field(o, b->name);
}

static tak_status pack(const tak_request *r, tak_blob *b)
{
	tak_out files = {0};
	tak_node entries = member(r, TAK_S("entries"));
	for (tak_node e = tak_first(entries); e.tree.n; e = tak_after(entries, e)) {
		tak_str name = tak_node_text(tak_child(e, TAK_S("name"))), hash = tak_node_text(tak_child(e, TAK_S("hash")));
		if (hash.n)
			tak_pack_blob(&files, name, hash);
		else
			tak_pack_data(&files, name, tak_node_text(tak_child(e, TAK_S("data"))));
	}
	return tak_pack(&files, arg(r, TAK_S("name")), b);
}

/* Says what came. */
static void upload(const tak_request *r, tak_out *o)
{
	tak_blob b;
	field(o, r->content_type);
	field(o, tak_form_field(r, TAK_S("note")));
	field(o, r->read_only ? TAK_S("true") : TAK_S("false"));
	for (tak_str m = r->message; tak_next_upload(&m, &b);)
		file(o, &b);
}

/* Answers with a file, a piece of it from an offset on, or with several parts. */
static tak_status download(const tak_request *r, tak_out *out)
{
	tak_str hash = tak_query_param(r, TAK_S("hash")), from = tak_query_param(r, TAK_S("offset"));
	if (tak_query_param(r, TAK_S("mixed")).p) {
		tak_answer_data(out, TAK_S("["));
		tak_answer_blob(out, hash, TAK_S(""));
		tak_answer_data(out, TAK_S("|"));
		tak_answer_blob_range(out, hash, 1, 2);
		tak_answer_data(out, TAK_S("]"));
		return TAK_OK;
	}
	if (!from.p) {
		tak_answer_blob(out, hash, tak_query_param(r, TAK_S("name")));
		return TAK_OK;
	}
	int64_t offset = parse(from), length = parse(tak_query_param(r, TAK_S("length")));
	tak_blob b;
	tak_status s = tak_blob_stat(hash, &b);
	if (s != TAK_OK)
		return pass_on(out, s, TAK_S("file"));
	int64_t end = length > 0 && length < b.size - offset ? offset + length : b.size;
	tak_out range = {0};
	tak_text(&range, TAK_S("bytes "));
	tak_uint(&range, (uint64_t)offset);
	tak_byte(&range, '-');
	tak_uint(&range, (uint64_t)(end - 1));
	tak_byte(&range, '/');
	tak_uint(&range, (uint64_t)b.size);
	tak_answer(out, 206, TAK_S(""));
	tak_answer_header(out, TAK_S("Content-Range"), tak_written(&range));
	tak_answer_blob_range(out, hash, offset, length);
	return TAK_OK;
}

/* Says whether the route is one of these, and answers it: with what stands in o, or
 * with done, all that is to be said. */
static bool on_file(const tak_request *r, tak_out *o, tak_out *out, tak_status *s, bool *done)
{
	tak_str hash = arg(r, TAK_S("hash")), name = arg(r, TAK_S("name")), owner = arg(r, TAK_S("owner")), answer;
	tak_blob b;
	bool gives = false;
#define ROUTE(name) (tak_equal(r->route, TAK_S(name)))
	if ROUTE("blob.put") {
		tak_out data = {0};
		letters(&data, whole(r, TAK_S("n")));
		*s = tak_blob_put(name, arg(r, TAK_S("type")), data.n ? tak_written(&data) : arg(r, TAK_S("data")), &b);
		gives = true;
	} else if ROUTE("blob.read") {
		*s = tak_blob_read(hash, whole(r, TAK_S("offset")), (uint32_t)whole(r, TAK_S("length")), &answer);
		if (*s == TAK_OK)
			hex(o, answer);
	} else if ROUTE("blob.stat") {
		*s = tak_blob_stat(hash, &b);
		gives = true;
	} else if ROUTE("blob.keep") {
		*s = tak_blob_keep(hash, owner);
	} else if ROUTE("blob.release") {
		*s = tak_blob_release(hash, owner);
	} else if ROUTE("blob.kept") {
		*s = tak_blob_kept(owner, &answer);
		while (*s == TAK_OK && tak_next_blob(&answer, &b))
			file(o, &b);
	} else if ROUTE("zip.list") {
		tak_zip_file f;
		*s = tak_zip_list(hash, &answer);
		while (*s == TAK_OK && tak_next_zip_file(&answer, &f)) {
			field(o, f.name);
			number(o, f.size);
		}
	} else if ROUTE("zip.entry") {
		*s = tak_zip_entry(hash, name, &b);
		gives = true;
	} else if ROUTE("pack") {
		*s = pack(r, &b);
		gives = true;
	} else if ROUTE("upload") {
		upload(r, o);
	} else if ROUTE("download") {
		*done = true;
		*s = download(r, out);
	} else {
		return false;
	}
#undef ROUTE
	if (*s != TAK_OK && !*done)
		*s = pass_on(out, *s, TAK_S("file"));
	else if (gives)
		file(o, &b);
	return true;
}
