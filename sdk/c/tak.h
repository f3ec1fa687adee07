/*
 * tak.h: plugins for takhost in C, contract tak/1.
 *
 * One header, no C library, no allocator to bring along. In one file of the
 * plugin:
 *
 *     #define TAK_PLUGIN
 *     #include "tak.h"
 *
 *     tak_status tak_handle(uint32_t op, tak_str in, tak_out *out)
 *     {
 *         switch (op) {
 *         case TAK_OP_DESCRIBE:
 *             return tak_describe(out, TAK_S("hello"), TAK_S("1.0.0"));
 *         case TAK_OP_INIT:
 *             return TAK_OK;
 *         }
 *         return TAK_UNSUPPORTED;
 *     }
 *
 * Other files include the header without TAK_PLUGIN. Build:
 *
 *     clang --target=wasm32 -mbulk-memory -Os -nostdlib -Wl,--no-entry -o plugin.wasm hello.c
 *
 * Memory: tak_alloc, what the host answers, and what out holds are good until
 * tak_handle returns; `in` too. Then all of it is taken back at once. What shall
 * stay goes into variables of the plugin, or better into the store, since an
 * instance may be replaced between any two calls.
 *
 * Effects (put, delete, emit, ...) happen when tak_handle returns TAK_OK, all of
 * them, and not at all otherwise.
 *
 * Readers accept any bytes: what points outside reads as empty.
 *
 * The operations, messages and layouts are those of hostapi/plugin.proto,
 * hostapi/view.go, batch.go and tree.go in the server's sources.
 */
#ifndef TAK_H
#define TAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAK_ABI_MAJOR 1
#define TAK_ABI_MINOR 0

/* What the host asks of a plugin. */
enum {
	TAK_OP_DESCRIBE = 1, /* nothing -> tak_describe */
	TAK_OP_INIT,         /* Init -> nothing */
	TAK_OP_HEALTH,       /* nothing -> nothing */
	TAK_OP_EVENTS,       /* a batch: tak_next_view -> nothing: all done */
	TAK_OP_HTTP,         /* tak_read_request -> tak_respond */
	TAK_OP_TIMER,
	TAK_OP_SNAPSHOT,
	TAK_OP_RESTORE,
	TAK_OP_RECONFIGURE,
	TAK_OP_STOP,
	TAK_OP_REINDEX,
	TAK_OP_FILTER,
	TAK_OP_ACTION,
	TAK_OP_CLIENTS,
	TAK_OP_STREAM
};

/* What a plugin asks of the host; the others are in hostapi/op.go. */
enum {
	TAK_HOST_LOG = 0x01,
	TAK_HOST_CONFIG = 0x02,
	TAK_HOST_CLOCK = 0x03,
	TAK_HOST_RANDOM = 0x04,
	TAK_HOST_EMIT = 0x10,
	TAK_HOST_GET = 0x20,
	TAK_HOST_PUT = 0x21,
	TAK_HOST_DELETE = 0x22,
	TAK_HOST_QUERY = 0x23,
	TAK_HOST_COUNTER = 0x24,
	TAK_HOST_BLOB_PUT = 0x30,
	TAK_HOST_BLOB_READ = 0x31,
	TAK_HOST_BLOB_STAT = 0x32,
	TAK_HOST_BLOB_LIST = 0x33,
	TAK_HOST_ZIP_LIST = 0x34,
	TAK_HOST_ZIP_ENTRY = 0x35,
	TAK_HOST_PACK = 0x36,
	TAK_HOST_BLOB_KEEP = 0x37,
	TAK_HOST_BLOB_RELEASE = 0x38
};

/* Bytes of a file that are written, and that are read, at once. */
#define TAK_MAX_BLOB_PUT (1u << 20)
#define TAK_MAX_BLOB_READ (256u << 10)

/* How an operation ended, in both directions. */
typedef enum {
	TAK_OK,
	TAK_RETRY,       /* not now: the same call may succeed later */
	TAK_FAILED,      /* for good; an event goes to the dead-letter store */
	TAK_INVALID,     /* the input is wrong */
	TAK_FORBIDDEN,   /* not granted */
	TAK_LIMIT,       /* more than the limits allow */
	TAK_UNSUPPORTED, /* an operation that is not known */
	TAK_NOT_FOUND,
	TAK_CONFLICT,
	TAK_GONE
} tak_status;

enum { TAK_INFO, TAK_DEBUG, TAK_WARN, TAK_ERROR }; /* levels of tak_log */

/* ---- texts ---- */

/* A text or other bytes, without a zero at its end. */
typedef struct {
	const char *p;
	uint32_t n;
} tak_str;

/* A text literal as a tak_str. */
#define TAK_S(literal) ((tak_str){(literal), sizeof(literal) - 1})

static inline bool tak_equal(tak_str a, tak_str b)
{
	if (a.n != b.n)
		return false;
	for (uint32_t i = 0; i < a.n; i++)
		if (a.p[i] != b.p[i])
			return false;
	return true;
}

static inline bool tak_has_prefix(tak_str s, tak_str prefix)
{
	return s.n >= prefix.n && tak_equal((tak_str){s.p, prefix.n}, prefix);
}

/* Reads a whole number in decimal digits; false when it is none of 64 bits. */
static inline bool tak_parse_uint(tak_str s, uint64_t *value)
{
	uint64_t v = 0;
	for (uint32_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*value = v;
	return s.n > 0;
}

/* ---- memory ---- */

/* n bytes at a multiple of 8, until the call ends; NULL: there are no more. */
void *tak_alloc(uint32_t n);

/* Makes the bytes at p, the last ones allocated, up to n; NULL: there are no more. */
void *tak_grow(void *p, uint32_t old, uint32_t n);

/* ---- writing ---- */

/* Bytes that are being written. The zero tak_out is empty. When the memory is at
 * its end, bad is set and what follows is left out. */
typedef struct {
	uint8_t *p;
	uint32_t n, cap;
	bool bad;
} tak_out;

static inline uint8_t *tak_room(tak_out *o, uint32_t n)
{
	if (o->bad)
		return NULL;
	if (n > o->cap - o->n) {
		uint64_t want = (uint64_t)o->n + n;
		uint64_t cap = want < 128 ? 256 : want * 2;
		uint8_t *p = cap > UINT32_MAX ? NULL : tak_grow(o->p, o->cap, (uint32_t)cap);
		if (!p) {
			o->bad = true;
			return NULL;
		}
		o->p = p;
		o->cap = (uint32_t)cap;
	}
	uint8_t *at = o->p + o->n;
	o->n += n;
	return at;
}

static inline void tak_byte(tak_out *o, uint8_t b)
{
	uint8_t *at = tak_room(o, 1);
	if (at)
		*at = b;
}

/* Appends a text, or any bytes. */
static inline void tak_text(tak_out *o, tak_str s)
{
	uint8_t *at = tak_room(o, s.n);
	if (at && s.n)
		__builtin_memcpy(at, s.p, s.n);
}

/* Appends a number in decimal digits. */
static inline void tak_uint(tak_out *o, uint64_t v)
{
	char digits[20];
	uint32_t n = sizeof digits;
	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	tak_text(o, (tak_str){digits + n, (uint32_t)sizeof digits - n});
}

/* Appends a text as a JSON string, with its quotes. */
static inline void tak_json(tak_out *o, tak_str s)
{
	static const char hex[] = "0123456789abcdef";
	tak_byte(o, '"');
	for (uint32_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c < ' ') {
			tak_text(o, TAK_S("\\u00"));
			tak_byte(o, (uint8_t)hex[c >> 4]);
			tak_byte(o, (uint8_t)hex[c & 15]);
			continue;
		}
		if (c == '"' || c == '\\')
			tak_byte(o, '\\');
		tak_byte(o, c);
	}
	tak_byte(o, '"');
}

static inline tak_str tak_written(const tak_out *o) { return (tak_str){(const char *)o->p, o->n}; }

/* ---- messages: protobuf ---- */

static inline void tak_varint(tak_out *o, uint64_t v)
{
	while (v >= 0x80) {
		tak_byte(o, (uint8_t)v | 0x80);
		v >>= 7;
	}
	tak_byte(o, (uint8_t)v);
}

/* A field of a number, bool or enum; an int64 is cast to uint64_t. */
static inline void tak_put_uint(tak_out *o, uint32_t field, uint64_t v)
{
	if (v) {
		tak_varint(o, field << 3);
		tak_varint(o, v);
	}
}

/* A field of a double. */
static inline void tak_put_double(tak_out *o, uint32_t field, double v)
{
	uint64_t bits;
	__builtin_memcpy(&bits, &v, 8);
	if (!bits)
		return;
	tak_varint(o, field << 3 | 1);
	tak_text(o, (tak_str){(const char *)&bits, 8});
}

/* A field of text, bytes, or a message written before. */
static inline void tak_put_str(tak_out *o, uint32_t field, tak_str s)
{
	tak_varint(o, field << 3 | 2);
	tak_varint(o, s.n);
	tak_text(o, s);
}

/* A field of a message that is written in place: what comes between tak_begin and
 * tak_end, which gets what tak_begin gave. */
static inline uint32_t tak_begin(tak_out *o, uint32_t field)
{
	tak_varint(o, field << 3 | 2);
	tak_byte(o, 0); /* the length, often of one byte */
	return o->n;
}

static inline void tak_end(tak_out *o, uint32_t begin)
{
	if (o->bad)
		return;
	uint32_t length = o->n - begin, more = 0;
	for (uint32_t v = length; v >= 0x80; v >>= 7)
		more++;
	if (more && !tak_room(o, more))
		return;
	if (more)
		__builtin_memmove(o->p + begin + more, o->p + begin, length);
	uint8_t *at = o->p + begin - 1;
	for (; length >= 0x80; length >>= 7)
		*at++ = (uint8_t)length | 0x80;
	*at = (uint8_t)length;
}

/* A field that was read. */
typedef struct {
	uint32_t number;
	uint64_t value; /* of numbers; of a double its bits */
	tak_str bytes;  /* of texts, bytes and messages */
} tak_field;

static inline bool tak_read_varint(tak_str *m, uint64_t *value)
{
	uint64_t v = 0;
	for (uint32_t i = 0; i < m->n && i < 10; i++) {
		uint8_t b = (uint8_t)m->p[i];
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (b < 0x80) {
			m->p += i + 1;
			m->n -= i + 1;
			*value = v;
			return true;
		}
	}
	return false;
}

/* Takes the next field off a message; false at its end, or when it is broken,
 * and then m->n is not 0. */
static inline bool tak_next(tak_str *m, tak_field *f)
{
	tak_str rest = *m;
	uint64_t tag, n = 0;
	if (!tak_read_varint(&rest, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
		return false;
	*f = (tak_field){(uint32_t)(tag >> 3), 0, {rest.p, 0}};
	switch (tag & 7) {
	case 0:
		if (!tak_read_varint(&rest, &f->value))
			return false;
		break;
	case 1:
		n = 8;
		break;
	case 2:
		if (!tak_read_varint(&rest, &n))
			return false;
		break;
	case 5:
		n = 4;
		break;
	default:
		return false;
	}
	if (n > rest.n)
		return false;
	if ((tag & 7) == 2)
		f->bytes = (tak_str){rest.p, (uint32_t)n};
	else if (n)
		__builtin_memcpy(&f->value, rest.p, n);
	m->p = rest.p + n;
	m->n = rest.n - (uint32_t)n;
	return true;
}

/* The last field of that number, as a text; empty when there is none. */
static inline tak_str tak_str_field(tak_str m, uint32_t number)
{
	tak_field f;
	tak_str found = {NULL, 0};
	while (tak_next(&m, &f))
		if (f.number == number)
			found = f.bytes;
	return found;
}

/* The last field of that number, as a number; 0 when there is none. */
static inline uint64_t tak_uint_field(tak_str m, uint32_t number)
{
	tak_field f;
	uint64_t found = 0;
	while (tak_next(&m, &f))
		if (f.number == number)
			found = f.value;
	return found;
}

/* ---- events: read in place ---- */

static inline uint64_t tak_le(tak_str s, uint32_t at, uint32_t n)
{
	uint64_t v = 0;
	if (at <= s.n && n <= s.n - at)
		__builtin_memcpy(&v, s.p + at, n);
	return v;
}

/* A pair of offset and length at a place of s. */
static inline tak_str tak_part(tak_str s, uint32_t at)
{
	uint64_t off = tak_le(s, at, 4), n = tak_le(s, at + 4, 4);
	if (off + n > s.n)
		return (tak_str){NULL, 0};
	return (tak_str){s.p + off, (uint32_t)n};
}

/* 0 for events that come for the first time. */
static inline uint32_t tak_attempt(tak_str batch) { return (uint32_t)tak_le(batch, 12, 4); }
/* Events that a full queue dropped since the batch before. */
static inline uint64_t tak_missed(tak_str batch) { return tak_le(batch, 16, 8); }
/* The number of the delivery, which rises; a second attempt has that of the first. */
static inline uint64_t tak_delivery(tak_str batch) { return tak_le(batch, 24, 8); }

/* Takes the first event off a batch, which is the input of TAK_OP_EVENTS:
 *
 *     for (tak_str v, b = tak_views(in); tak_next_view(&b, &v);) ...
 */
static inline tak_str tak_views(tak_str batch)
{
	uint32_t size = (uint32_t)tak_le(batch, 0, 4), head = (uint32_t)tak_le(batch, 6, 2);
	if (tak_le(batch, 4, 2) != 1 || size > batch.n || head > size)
		return (tak_str){NULL, 0};
	return (tak_str){batch.p + head, size - head};
}

static inline bool tak_next_view(tak_str *views, tak_str *view)
{
	uint32_t size = (uint32_t)tak_le(*views, 0, 4), head = (uint32_t)tak_le(*views, 6, 2);
	if (views->n < 8 || tak_le(*views, 4, 2) != 1 || size > views->n || head < 8 || head > size)
		return false;
	*view = (tak_str){views->p, size};
	views->p += size;
	views->n -= size;
	return true;
}

/* A number of a view's header; 0 when the header is of an older version. */
static inline uint64_t tak_view_number(tak_str v, uint32_t at, uint32_t n)
{
	return at + n <= tak_le(v, 6, 2) ? tak_le(v, at, n) : 0;
}

static inline double tak_view_double(tak_str v, uint32_t at)
{
	uint64_t bits = tak_view_number(v, at, 8);
	double d;
	__builtin_memcpy(&d, &bits, 8);
	return d;
}

static inline tak_str tak_view_str(tak_str v, uint32_t at)
{
	return at + 8 <= tak_le(v, 6, 2) ? tak_part(v, at) : (tak_str){NULL, 0};
}

/* Times are microseconds since 1970 UTC; recv is the server's clock, the others
 * are the sender's. */
static inline int64_t tak_view_id(tak_str v) { return (int64_t)tak_view_number(v, 8, 8); }
static inline int64_t tak_view_recv(tak_str v) { return (int64_t)tak_view_number(v, 16, 8); }
static inline int64_t tak_view_time(tak_str v) { return (int64_t)tak_view_number(v, 24, 8); }
static inline int64_t tak_view_start(tak_str v) { return (int64_t)tak_view_number(v, 32, 8); }
static inline int64_t tak_view_stale(tak_str v) { return (int64_t)tak_view_number(v, 40, 8); }
/* Degrees, metres, m/s; 9999999 is "not known". */
static inline double tak_view_lat(tak_str v) { return tak_view_double(v, 48); }
static inline double tak_view_lon(tak_str v) { return tak_view_double(v, 56); }
static inline double tak_view_hae(tak_str v) { return tak_view_double(v, 64); }
static inline double tak_view_ce(tak_str v) { return tak_view_double(v, 72); }
static inline double tak_view_le(tak_str v) { return tak_view_double(v, 80); }
static inline double tak_view_speed(tak_str v) { return tak_view_double(v, 88); }
static inline double tak_view_course(tak_str v) { return tak_view_double(v, 96); }
static inline uint64_t tak_view_connection(tak_str v) { return tak_view_number(v, 104, 8); }
/* The sender's groups: a number for fields that are called set. */
static inline int32_t tak_view_groups(tak_str v) { return (int32_t)tak_view_number(v, 112, 4); }
/* cot.Flags, hostapi.Origin and cot.DestKind of the server's sources have the meaning of the numbers. */
static inline uint32_t tak_view_flags(tak_str v) { return (uint32_t)tak_view_number(v, 116, 4); }
static inline unsigned tak_view_node(tak_str v) { return (unsigned)tak_view_number(v, 120, 2); }
static inline unsigned tak_view_origin(tak_str v) { return (unsigned)tak_view_number(v, 122, 1); }
/* How many plugins and federates it passed through. */
static inline unsigned tak_view_hops(tak_str v) { return (unsigned)tak_view_number(v, 123, 1); }
/* Destination i, from 0 on; false behind the last one. */
static inline bool tak_view_dest(tak_str v, uint32_t i, unsigned *kind, tak_str *value)
{
	uint64_t at = tak_view_number(v, 200, 4) + (uint64_t)i * 12;
	if (i >= tak_view_number(v, 204, 4) || at + 12 > v.n)
		return false;
	*kind = (unsigned)tak_le(v, (uint32_t)at, 1);
	*value = tak_part(v, (uint32_t)at + 4);
	return true;
}
/* Whether subscription i of the manifest chose the event. */
static inline bool tak_view_matched(tak_str v, unsigned i) { return i < 32 && tak_view_number(v, 124, 4) >> i & 1; }
static inline tak_str tak_view_uid(tak_str v) { return tak_view_str(v, 128); }
static inline tak_str tak_view_type(tak_str v) { return tak_view_str(v, 136); }
static inline tak_str tak_view_how(tak_str v) { return tak_view_str(v, 144); }
static inline tak_str tak_view_callsign(tak_str v) { return tak_view_str(v, 152); }
static inline tak_str tak_view_endpoint(tak_str v) { return tak_view_str(v, 160); }
static inline tak_str tak_view_team(tak_str v) { return tak_view_str(v, 168); }
static inline tak_str tak_view_role(tak_str v) { return tak_view_str(v, 176); }
static inline tak_str tak_view_user(tak_str v) { return tak_view_str(v, 184); }
static inline tak_str tak_view_client(tak_str v) { return tak_view_str(v, 192); }
static inline tak_str tak_view_detail(tak_str v) { return tak_view_str(v, 208); } /* a tree */
static inline tak_str tak_view_xml(tak_str v) { return tak_view_str(v, 216); }

/* ---- trees: the detail of an event, a request body, the config ---- */

/* Kinds of nodes. */
enum { TAK_NOTHING, TAK_ELEMENT, TAK_OBJECT, TAK_ARRAY, TAK_STRING, TAK_NUMBER, TAK_BOOL, TAK_NULL };

/* A node; with tree.n 0 it is none. */
typedef struct {
	tak_str tree;
	uint32_t i, end, head;
} tak_node;

#define TAK_NO_NODE ((tak_node){{NULL, 0}, 0, 0, 0})

static inline tak_node tak_root(tak_str t)
{
	uint64_t size = tak_le(t, 0, 4), head = tak_le(t, 6, 2), n = tak_le(t, 8, 4);
	if (t.n < 16 || tak_le(t, 4, 2) != 1 || size > t.n || head < 16 || n == 0 || n > 1 << 26 || head + n * 36 > size)
		return TAK_NO_NODE;
	return (tak_node){{t.p, (uint32_t)size}, 0, (uint32_t)n, (uint32_t)head};
}

static inline uint32_t tak_node_at(tak_node n) { return n.head + n.i * 36; }

static inline tak_node tak_node_make(tak_node n, uint32_t i, uint32_t parent_end)
{
	if (!n.tree.n || i >= parent_end)
		return TAK_NO_NODE;
	n.i = i;
	uint32_t end = (uint32_t)tak_le(n.tree, tak_node_at(n) + 24, 4);
	if (end < i + 1)
		end = i + 1;
	n.end = end < parent_end ? end : parent_end;
	return n;
}

/* The nodes directly below one:
 *
 *     for (tak_node c = tak_first(n); c.tree.n; c = tak_after(n, c)) ...
 */
static inline tak_node tak_first(tak_node n) { return tak_node_make(n, n.i + 1, n.end); }
static inline tak_node tak_after(tak_node parent, tak_node n) { return tak_node_make(n, n.end, parent.end); }

static inline tak_str tak_name(tak_node n) { return n.tree.n ? tak_part(n.tree, tak_node_at(n)) : n.tree; }
static inline tak_str tak_node_text(tak_node n) { return n.tree.n ? tak_part(n.tree, tak_node_at(n) + 8) : n.tree; }
static inline tak_str tak_raw(tak_node n) { return n.tree.n ? tak_part(n.tree, tak_node_at(n) + 16) : n.tree; }

static inline unsigned tak_kind(tak_node n) { return n.tree.n ? (unsigned)tak_le(n.tree, tak_node_at(n) + 32, 1) : TAK_NOTHING; }

static inline tak_node tak_child(tak_node n, tak_str name)
{
	tak_node c = tak_first(n);
	while (c.tree.n && !tak_equal(tak_name(c), name))
		c = tak_after(n, c);
	return c;
}

/* The value of an attribute; p is NULL when there is none. */
static inline tak_str tak_attr(tak_node n, tak_str name)
{
	if (!n.tree.n)
		return n.tree;
	uint64_t nodes = tak_le(n.tree, 8, 4), total = tak_le(n.tree, 12, 4), table = n.head + nodes * 36;
	uint64_t first = tak_le(n.tree, tak_node_at(n) + 28, 4);
	uint64_t last = n.i + 1 < nodes ? tak_le(n.tree, tak_node_at(n) + 36 + 28, 4) : total;
	if (table + total * 16 > n.tree.n || last > total)
		return (tak_str){NULL, 0};
	for (; first < last; first++)
		if (tak_equal(tak_part(n.tree, (uint32_t)(table + first * 16)), name))
			return tak_part(n.tree, (uint32_t)(table + first * 16 + 8));
	return (tak_str){NULL, 0};
}

/* ---- keys of indexes; the form is in hostapi/index ---- */

/* Each appends one value of a key, in the order that the manifest gives the index.
 * A number that is none (NaN) has no place in an order: the store refuses it. */
static inline void tak_key_number(tak_out *o, uint8_t tag, uint64_t v)
{
	tak_byte(o, tag);
	for (int shift = 56; shift >= 0; shift -= 8)
		tak_byte(o, (uint8_t)(v >> shift));
}
static inline void tak_key_bool(tak_out *o, bool v) { tak_byte(o, v ? 0x11 : 0x10); }
static inline void tak_key_int(tak_out *o, int64_t v) { tak_key_number(o, 0x20, (uint64_t)v ^ 1ull << 63); }
static inline void tak_key_float(tak_out *o, double v)
{
	uint64_t bits;
	v += 0.0; /* of -0 it makes 0 */
	__builtin_memcpy(&bits, &v, 8);
	tak_key_number(o, 0x30, bits >> 63 ? ~bits : bits | 1ull << 63);
}
/* A time: microseconds since 1970 UTC. */
static inline void tak_key_time(tak_out *o, int64_t micros) { tak_key_number(o, 0x40, (uint64_t)micros ^ 1ull << 63); }
static inline void tak_key_part(tak_out *o, uint8_t tag, tak_str s)
{
	tak_byte(o, tag);
	for (uint32_t i = 0; i < s.n; i++) {
		tak_byte(o, (uint8_t)s.p[i]);
		if (!s.p[i])
			tak_byte(o, 0xff);
	}
	tak_byte(o, 0);
}
static inline void tak_key_text(tak_out *o, tak_str s) { tak_key_part(o, 0x50, s); }
static inline void tak_key_bytes(tak_out *o, tak_str s) { tak_key_part(o, 0x60, s); }
/* Makes a key the end of the range of all keys that begin with it. */
static inline void tak_key_after(tak_out *o) { tak_byte(o, 0xff); }

/* ---- the host ---- */

/* Asks an operation of the host. The answer, or the message Error of a status
 * other than TAK_OK, is good until the call ends. answer may be NULL. */
tak_status tak_host(uint32_t op, tak_str message, tak_str *answer);

/* Why the host refused what it was asked last, in a sentence for people; empty when
 * it did not. Pass it on:
 *
 *     if (s != TAK_OK)
 *         return tak_fail(out, s, tak_reason());
 */
tak_str tak_reason(void);

static inline tak_status tak_send(uint32_t op, const tak_out *message)
{
	return message->bad ? TAK_LIMIT : tak_host(op, tak_written(message), NULL);
}

/* Is tak_host for a message that may have found no memory. */
static inline tak_status tak_ask(uint32_t op, const tak_out *message, tak_str *answer)
{
	return message->bad ? TAK_LIMIT : tak_host(op, tak_written(message), answer);
}

/* Writes one line to the server's log. */
static inline void tak_log(unsigned level, tak_str message)
{
	tak_out m = {0};
	tak_put_uint(&m, 1, level);
	tak_put_str(&m, 2, message);
	(void)tak_send(TAK_HOST_LOG, &m);
}

/* The plugin's section of the config: a tree. */
static inline tak_status tak_config(tak_str *tree) { return tak_host(TAK_HOST_CONFIG, TAK_S(""), tree); }

/* The time: microseconds since 1970 UTC. */
static inline int64_t tak_now(void)
{
	tak_str answer;
	return tak_host(TAK_HOST_CLOCK, TAK_S(""), &answer) == TAK_OK ? (int64_t)tak_uint_field(answer, 1) : 0;
}

/* A document as it is stored. */
typedef struct {
	tak_str id, body;
	uint64_t revision;
} tak_document;

/* Takes the next document off an answer to get or query; false at the end. */
static inline bool tak_next_document(tak_str *documents, tak_document *d)
{
	tak_field f;
	while (tak_next(documents, &f)) {
		if (f.number != 1)
			continue;
		*d = (tak_document){{NULL, 0}, {NULL, 0}, 0};
		for (tak_str m = f.bytes; tak_next(&m, &f);) {
			if (f.number == 2)
				d->id = f.bytes;
			else if (f.number == 3)
				d->body = f.bytes;
			else if (f.number == 5)
				d->revision = f.value;
		}
		return true;
	}
	return false;
}

/* Reads a document; TAK_NOT_FOUND when it is not there. */
static inline tak_status tak_get(tak_str collection, tak_str id, tak_document *d)
{
	tak_out m = {0};
	tak_str answer;
	tak_put_str(&m, 1, collection);
	tak_put_str(&m, 2, id);
	tak_status s = tak_ask(TAK_HOST_GET, &m, &answer);
	if (s == TAK_OK && !tak_next_document(&answer, d))
		s = TAK_NOT_FOUND;
	return s;
}

/* Writes a document, whole. */
static inline tak_status tak_put(tak_str collection, tak_str id, tak_str body)
{
	tak_out m = {0};
	tak_put_str(&m, 1, collection);
	tak_put_str(&m, 2, id);
	tak_put_str(&m, 3, body);
	return tak_send(TAK_HOST_PUT, &m);
}

static inline tak_status tak_delete(tak_str collection, tak_str id)
{
	tak_out m = {0};
	tak_put_str(&m, 1, collection);
	tak_put_str(&m, 2, id);
	return tak_send(TAK_HOST_DELETE, &m);
}

/* Reads a page of documents in the order of their ids: up to limit of them, 0 is
 * 100. after is empty, or what tak_next_page gave for the page before. */
static inline tak_status tak_query(tak_str collection, tak_str after, uint32_t limit, tak_str *documents)
{
	tak_out m = {0};
	tak_put_str(&m, 1, collection);
	tak_put_uint(&m, 6, limit);
	tak_put_str(&m, 7, after);
	return tak_ask(TAK_HOST_QUERY, &m, documents);
}

/* Empty when there is no more. */
static inline tak_str tak_next_page(tak_str documents) { return tak_str_field(documents, 2); }

/* Sends an event to those who got, or may see, the event of an id. */
static inline tak_status tak_emit_as(tak_str xml, int64_t event)
{
	tak_out m = {0};
	uint32_t emission = tak_begin(&m, 1);
	tak_put_str(&m, 1, xml);
	uint32_t audience = tak_begin(&m, 2);
	tak_put_uint(&m, 6, (uint64_t)event);
	tak_end(&m, audience);
	tak_end(&m, emission);
	return tak_send(TAK_HOST_EMIT, &m);
}

/* Sends an event to everybody who may see a group. */
static inline tak_status tak_emit_group(tak_str xml, tak_str group)
{
	tak_out m = {0};
	uint32_t emission = tak_begin(&m, 1);
	tak_put_str(&m, 1, xml);
	uint32_t audience = tak_begin(&m, 2);
	tak_put_str(&m, 1, group);
	tak_end(&m, audience);
	tak_end(&m, emission);
	return tak_send(TAK_HOST_EMIT, &m);
}

/* ---- files ---- */

/* A file. Its bytes stay with the host; it is known by its SHA-256 in lower-case
 * hexadecimal digits. Whoever has the hash may read it, so ask who the caller is
 * before a hash that he sent is used.
 *
 * Writing one is not staged, keeping one is. A file that nobody keeps is removed an
 * hour after it was written or given up; at once with a call that fails. */
typedef struct {
	tak_str hash, content_type, name;
	int64_t size; /* bytes */
} tak_blob;

static inline tak_blob tak_read_blob(tak_str message)
{
	tak_blob b = {{NULL, 0}, {NULL, 0}, {NULL, 0}, 0};
	tak_field f;
	while (tak_next(&message, &f)) {
		switch (f.number) {
		case 1:
			b.hash = f.bytes;
			break;
		case 2:
			b.size = (int64_t)f.value;
			break;
		case 3:
			b.content_type = f.bytes;
			break;
		case 4:
			b.name = f.bytes;
			break;
		}
	}
	return b;
}

/* Takes the next message of a number off another one; false at the end. */
static inline bool tak_next_message(tak_str *in, uint32_t number, tak_str *message)
{
	tak_field f;
	while (tak_next(in, &f))
		if (f.number == number) {
			*message = f.bytes;
			return true;
		}
	return false;
}

/* Asks an operation that gives a file. */
static inline tak_status tak_ask_blob(uint32_t op, const tak_out *m, tak_blob *b)
{
	tak_str answer;
	tak_status s = tak_ask(op, m, &answer);
	if (s == TAK_OK)
		*b = tak_read_blob(answer);
	return s;
}

/* Writes a file of up to TAK_MAX_BLOB_PUT bytes. */
static inline tak_status tak_blob_put(tak_str name, tak_str content_type, tak_str data, tak_blob *b)
{
	tak_out m = {0};
	tak_put_str(&m, 1, data);
	tak_put_str(&m, 2, content_type);
	tak_put_str(&m, 3, name);
	return tak_ask_blob(TAK_HOST_BLOB_PUT, &m, b);
}

/* Reads up to length bytes, TAK_MAX_BLOB_READ at most, from an offset on; fewer at
 * the end of the file. */
static inline tak_status tak_blob_read(tak_str hash, int64_t offset, uint32_t length, tak_str *data)
{
	tak_out m = {0};
	tak_put_str(&m, 1, hash);
	tak_put_uint(&m, 2, (uint64_t)offset);
	tak_put_uint(&m, 3, length);
	return tak_ask(TAK_HOST_BLOB_READ, &m, data);
}

/* Tells about a file; TAK_NOT_FOUND when there is none. */
static inline tak_status tak_blob_stat(tak_str hash, tak_blob *b)
{
	tak_out m = {0};
	tak_put_str(&m, 1, hash);
	return tak_ask_blob(TAK_HOST_BLOB_STAT, &m, b);
}

static inline tak_status tak_blob_tell(uint32_t op, tak_str hash, tak_str owner)
{
	tak_out m = {0};
	tak_put_str(&m, 1, hash);
	tak_put_str(&m, 2, owner);
	return tak_send(op, &m);
}

/* Makes a file stay until tak_blob_release, for an owner, which is any text of the
 * plugin's, such as the id of a document. Twice is as good as once. */
static inline tak_status tak_blob_keep(tak_str hash, tak_str owner) { return tak_blob_tell(TAK_HOST_BLOB_KEEP, hash, owner); }

/* Gives a file up for an owner, if it keeps it. */
static inline tak_status tak_blob_release(tak_str hash, tak_str owner) { return tak_blob_tell(TAK_HOST_BLOB_RELEASE, hash, owner); }

/* Asks what an owner keeps, 1,000 files at most: tak_next_blob. */
static inline tak_status tak_blob_kept(tak_str owner, tak_str *blobs)
{
	tak_out m = {0};
	tak_put_str(&m, 1, owner);
	return tak_ask(TAK_HOST_BLOB_LIST, &m, blobs);
}

/* Takes the next file off a list; false at the end. */
static inline bool tak_next_blob(tak_str *blobs, tak_blob *b)
{
	tak_str m;
	if (!tak_next_message(blobs, 1, &m))
		return false;
	*b = tak_read_blob(m);
	return true;
}

/* A file of a zip archive. */
typedef struct {
	tak_str name;
	int64_t size; /* bytes, unpacked */
} tak_zip_file;

/* Asks for the files of a zip archive: tak_next_zip_file. One that is broken,
 * encrypted, a bomb, or has names that lead elsewhere is TAK_INVALID, and tak_reason
 * says why. */
static inline tak_status tak_zip_list(tak_str hash, tak_str *files)
{
	tak_out m = {0};
	tak_put_str(&m, 1, hash);
	return tak_ask(TAK_HOST_ZIP_LIST, &m, files);
}

static inline bool tak_next_zip_file(tak_str *files, tak_zip_file *file)
{
	tak_str m;
	if (!tak_next_message(files, 1, &m))
		return false;
	*file = (tak_zip_file){tak_str_field(m, 1), (int64_t)tak_uint_field(m, 2)};
	return true;
}

/* Makes a file of a zip archive a blob. */
static inline tak_status tak_zip_entry(tak_str hash, tak_str name, tak_blob *b)
{
	tak_out m = {0};
	tak_put_str(&m, 1, hash);
	tak_put_str(&m, 2, name);
	return tak_ask_blob(TAK_HOST_ZIP_ENTRY, &m, b);
}

/* Makes a zip archive of what tak_pack_blob and tak_pack_data wrote into files. The
 * same files give the same archive.
 *
 *     tak_out files = {0};
 *     tak_pack_data(&files, TAK_S("note.txt"), TAK_S("hello"));
 *     tak_pack_blob(&files, TAK_S("picture.jpg"), picture.hash);
 *     s = tak_pack(&files, TAK_S("all.zip"), &archive);
 */
static inline tak_status tak_pack(tak_out *files, tak_str name, tak_blob *b)
{
	tak_put_str(files, 2, name);
	return tak_ask_blob(TAK_HOST_PACK, files, b);
}

static inline void tak_pack_entry(tak_out *files, tak_str name, uint32_t number, tak_str content)
{
	uint32_t entry = tak_begin(files, 1);
	tak_put_str(files, 1, name);
	tak_put_str(files, number, content);
	tak_end(files, entry);
}

static inline void tak_pack_blob(tak_out *files, tak_str name, tak_str hash) { tak_pack_entry(files, name, 2, hash); }
static inline void tak_pack_data(tak_out *files, tak_str name, tak_str data) { tak_pack_entry(files, name, 3, data); }

/* ---- answers ---- */

/* Answers TAK_OP_DESCRIBE. */
static inline tak_status tak_describe(tak_out *out, tak_str name, tak_str version)
{
	tak_put_str(out, 1, name);
	tak_put_str(out, 2, version);
	tak_put_uint(out, 3, TAK_ABI_MAJOR << 16 | TAK_ABI_MINOR);
	tak_put_str(out, 4, TAK_S("c header 1.0"));
	return TAK_OK;
}

/* Makes the answer an error with a sentence for people. */
static inline tak_status tak_fail(tak_out *out, tak_status s, tak_str message)
{
	out->n = 1; /* the status */
	tak_put_str(out, 2, message);
	return s;
}

/* A request to a route. */
typedef struct {
	tak_str route;  /* operation id */
	tak_str method, path;
	tak_str tree;   /* body: json, loose, xml */
	tak_str body;   /* body: raw */
	tak_str message; /* all of it */
	tak_str content_type;
	bool read_only; /* nothing may be staged */
} tak_request;

static inline tak_request tak_read_request(tak_str in)
{
	const tak_str none = {NULL, 0};
	tak_request r = {none, none, none, none, none, in, none, false};
	tak_field f;
	while (tak_next(&in, &f)) {
		switch (f.number) {
		case 1:
			r.route = f.bytes;
			break;
		case 2:
			r.method = f.bytes;
			break;
		case 3:
			r.path = f.bytes;
			break;
		case 8:
			r.tree = f.bytes;
			break;
		case 10:
			r.body = f.bytes;
			break;
		case 12:
			r.content_type = f.bytes;
			break;
		case 13:
			r.read_only = f.value;
			break;
		}
	}
	return r;
}

/* Takes the next file off a request to a route whose body is blob: the one that was
 * sent, or those of a multipart form. False behind the last one.
 *
 *     tak_blob b;
 *     for (tak_str m = r.message; tak_next_upload(&m, &b);) ...
 */
static inline bool tak_next_upload(tak_str *message, tak_blob *b)
{
	tak_str m;
	if (!tak_next_message(message, 11, &m))
		return false;
	*b = tak_read_blob(m);
	return true;
}

static inline tak_str tak_pair(tak_str message, uint32_t number, tak_str name)
{
	tak_field f;
	while (tak_next(&message, &f))
		if (f.number == number && tak_equal(tak_str_field(f.bytes, 1), name))
			return tak_str_field(f.bytes, 2);
	return (tak_str){NULL, 0};
}

/* A part of the path that the route names, and a parameter of the query. */
static inline tak_str tak_param(const tak_request *r, tak_str name) { return tak_pair(r->message, 4, name); }
static inline tak_str tak_query_param(const tak_request *r, tak_str name) { return tak_pair(r->message, 5, name); }
/* A header, whose name is in lower case: few are let through. A field of a form. */
static inline tak_str tak_request_header(const tak_request *r, tak_str name) { return tak_pair(r->message, 6, name); }
static inline tak_str tak_form_field(const tak_request *r, tak_str name) { return tak_pair(r->message, 9, name); }

/* Answers TAK_OP_HTTP in parts: tak_answer, then headers, then the parts of the body,
 * one behind the other. The host puts documents and files in while it sends.
 *
 *     tak_answer(out, 0, picture.content_type);
 *     tak_answer_blob(out, picture.hash, picture.name);
 *     return TAK_OK;
 *
 * status 0 is 200, an empty content type what the route declares. */
static inline void tak_answer(tak_out *out, unsigned status, tak_str content_type)
{
	tak_put_uint(out, 1, status);
	tak_put_str(out, 2, content_type);
}

static inline void tak_answer_header(tak_out *out, tak_str name, tak_str value)
{
	uint32_t header = tak_begin(out, 3);
	tak_put_str(out, 1, name);
	tak_put_str(out, 2, value);
	tak_end(out, header);
}

static inline void tak_answer_data(tak_out *out, tak_str data)
{
	uint32_t part = tak_begin(out, 4);
	tak_put_str(out, 1, data);
	tak_end(out, part);
}

static inline void tak_answer_document(tak_out *out, tak_str collection, tak_str id)
{
	uint32_t part = tak_begin(out, 4), document = tak_begin(out, 2);
	tak_put_str(out, 1, collection);
	tak_put_str(out, 2, id);
	tak_end(out, document);
	tak_end(out, part);
}

static inline void tak_answer_file(tak_out *out, tak_str hash, tak_str file_name, int64_t offset, int64_t length)
{
	uint32_t part = tak_begin(out, 4), blob = tak_begin(out, 4);
	tak_put_str(out, 1, hash);
	tak_put_str(out, 2, file_name);
	tak_put_uint(out, 3, (uint64_t)offset);
	tak_put_uint(out, 4, (uint64_t)length);
	tak_end(out, blob);
	tak_end(out, part);
}

/* A file; alone in an answer, it serves ranges and HEAD. A file name makes it a
 * download. */
static inline void tak_answer_blob(tak_out *out, tak_str hash, tak_str file_name) { tak_answer_file(out, hash, file_name, 0, 0); }

/* A piece of a file: length bytes from offset on, fewer if it has no more; length 0
 * means all that is left. An offset behind the end, or a number below zero, refuses
 * the whole answer. What answers with 206 and Content-Range says so itself. */
static inline void tak_answer_blob_range(tak_out *out, tak_str hash, int64_t offset, int64_t length)
{
	tak_answer_file(out, hash, (tak_str){NULL, 0}, offset, length);
}

/* Answers TAK_OP_HTTP with one body. */
static inline tak_status tak_respond(tak_out *out, unsigned status, tak_str content_type, const tak_out *body)
{
	if (body->bad) {
		out->bad = true;
		return TAK_LIMIT;
	}
	tak_answer(out, status, content_type);
	tak_answer_data(out, tak_written(body));
	return TAK_OK;
}

/* Written by the plugin. What it puts into out is the payload of the answer, or,
 * with a status other than TAK_OK, an error: see tak_fail. */
tak_status tak_handle(uint32_t op, tak_str in, tak_out *out);

/* ---- the rest is in one file of the plugin ---- */

#ifdef TAK_PLUGIN

#define TAK_EXPORT(name) __attribute__((export_name(name), used))
#define TAK_IMPORT(name) __attribute__((import_module("tak1"), import_name(name)))

TAK_IMPORT("call") extern uint64_t tak_import_call(uint32_t op, const void *p, uint32_t n, void *answer, uint32_t room);
TAK_IMPORT("take") extern int32_t tak_import_take(void *answer, uint32_t room);

/* The input buffer lies at the start of the heap; behind it is what a call
 * allocates. */
extern uint8_t __heap_base;
static uint32_t tak_input_size;
static uintptr_t tak_top;

/* The message Error of the last operation, in the memory of the call. */
static tak_str tak_refusal;

static uintptr_t tak_bottom(void) { return ((uintptr_t)&__heap_base + 7) & ~(uintptr_t)7; }

/* Makes the memory reach up to an address. */
static bool tak_reach(uint64_t end)
{
	uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) << 16;
	if (end <= have)
		return true;
	if (end > UINT32_MAX)
		return false;
	return __builtin_wasm_memory_grow(0, (size_t)((end - have + 0xffff) >> 16)) != (size_t)-1;
}

void *tak_alloc(uint32_t n)
{
	uint64_t end = ((uint64_t)tak_top + n + 7) & ~(uint64_t)7;
	if (!tak_reach(end))
		return NULL;
	void *p = (void *)tak_top;
	tak_top = (uintptr_t)end;
	return p;
}

void *tak_grow(void *p, uint32_t old, uint32_t n)
{
	if (p && (uintptr_t)p + ((old + 7) & ~7u) == tak_top) {
		tak_top = (uintptr_t)p; /* it is the last one: it stays where it is */
		void *same = tak_alloc(n);
		if (!same)
			tak_top = (uintptr_t)p + ((old + 7) & ~7u);
		return same;
	}
	void *q = tak_alloc(n);
	if (q && old)
		__builtin_memcpy(q, p, old < n ? old : n);
	return q;
}

tak_status tak_host(uint32_t op, tak_str message, tak_str *answer)
{
	const uint32_t room = 512;
	void *p = tak_alloc(room);
	tak_refusal = (tak_str){NULL, 0};
	if (!p)
		return TAK_LIMIT;
	uint64_t result = tak_import_call(op, message.p, message.n, p, room);
	uint32_t n = (uint32_t)result;
	tak_status s = (tak_status)(result >> 32);
	if (n > room && (answer || s != TAK_OK)) {
		p = tak_alloc(n);
		if (!p || tak_import_take(p, n) != (int32_t)n)
			return TAK_LIMIT;
	}
	if (answer)
		*answer = (tak_str){p, n};
	if (s != TAK_OK)
		tak_refusal = (tak_str){p, n};
	return s;
}

tak_str tak_reason(void) { return tak_str_field(tak_refusal, 2); }

TAK_EXPORT("tak_abi") int32_t tak_abi(void) { return TAK_ABI_MAJOR << 16 | TAK_ABI_MINOR; }

TAK_EXPORT("tak_buf") void *tak_buf(uint32_t n)
{
	if (n > tak_input_size) {
		if (!tak_reach((uint64_t)tak_bottom() + n + 8))
			__builtin_trap();
		tak_input_size = (n + 7) & ~7u;
	}
	return (void *)tak_bottom();
}

TAK_EXPORT("tak_call") uint64_t tak_call(uint32_t op, uint32_t n)
{
	static uint8_t no_memory[1] = {TAK_LIMIT};
	tak_top = tak_bottom() + tak_input_size;
	tak_refusal = (tak_str){NULL, 0};
	tak_out out = {0};
	tak_byte(&out, TAK_OK);
	tak_status s = tak_handle(op, (tak_str){(const char *)tak_bottom(), n}, &out);
	if (out.bad)
		return (uint64_t)(uintptr_t)no_memory << 32 | 1;
	out.p[0] = (uint8_t)s;
	return (uint64_t)(uintptr_t)out.p << 32 | out.n;
}

/* What a compiler may call for copies and comparisons of its own. */
#define TAK_LIBC __attribute__((weak, used, no_builtin))
TAK_LIBC void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
	return to;
}
TAK_LIBC void *memmove(void *to, const void *from, size_t n)
{
	if ((uintptr_t)to <= (uintptr_t)from)
		return memcpy(to, from, n);
	while (n--)
		((uint8_t *)to)[n] = ((const uint8_t *)from)[n];
	return to;
}
TAK_LIBC void *memset(void *to, int c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = (uint8_t)c;
	return to;
}
TAK_LIBC int memcmp(const void *a, const void *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((const uint8_t *)a)[i] != ((const uint8_t *)b)[i])
			return ((const uint8_t *)a)[i] < ((const uint8_t *)b)[i] ? -1 : 1;
	return 0;
}

#endif /* TAK_PLUGIN */
#endif /* TAK_H */
