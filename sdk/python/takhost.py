"""takhost plugins in Python.

A plugin is a program that the server runs as a process of its own. It says what
it does in small functions:

    import takhost

    plugin = takhost.Plugin("tally", "1.0.0")

    @plugin.events
    def seen(call, event):
        call.put("seen", event.uid, event.callsign, keys={"by-time": [event.recv]})

    @plugin.http("count")
    def count(call, request):
        return {"count": call.count("seen")}

    plugin.run()

Beside it stands plugin.json, the manifest. The server makes one call at a time.
What a call stages (documents, events, timers, ...) takes effect when the function
returns, all of it or nothing, and not at all when it raises; raise Error to say
why. Threads may use a call until its function has returned, not later.

Needs Python 3.9, grpcio and cryptography. How a plugin is packed stands in
README.md beside this file, what each operation means in hostapi/plugin.proto.
"""
import base64
import concurrent.futures
import datetime
import json
import os
import queue
import re
import struct
import sys
import tempfile
import threading
import traceback
from xml.sax.saxutils import quoteattr

__version__ = "1.0"

_ABI = 1 << 16  # tak/1.0
_MAX_FRAME = 64 << 20  # bytes of one message

# The standard output carries the handshake and nothing else: what is printed goes
# to the standard error instead, and from there to the server's log.
_SERVED = os.environ.get("TAKHOST_PLUGIN") == "tak/1"
if _SERVED:
    _handshake = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)

# ---- messages: classes made from hostapi/plugin.proto ----

# begin of plugin.proto
_ENUMS = """
GuestOp NONE=0 DESCRIBE=1 INIT=2 HEALTH=3 EVENTS=4 HTTP=5 TIMER=6 SNAPSHOT=7 RESTORE=8 RECONFIGURE=9 STOP=10 REINDEX=11 FILTER=12 ACTION=13 CLIENTS=14 STREAM=15
HostOp NONE=0 LOG=1 CONFIG=2 CLOCK=3 RANDOM=4 METRIC=5 EVENTS_EMIT=16 EVENTS_QUERY=17 STORE_GET=32 STORE_PUT=33 STORE_DELETE=34 STORE_QUERY=35 STORE_COUNTER=36 BLOBS_PUT=48 BLOBS_READ=49 BLOBS_STAT=50 BLOBS_LIST=51 BLOBS_ZIP_LIST=52 BLOBS_ZIP_ENTRY=53 BLOBS_PACK=54 BLOBS_KEEP=55 BLOBS_RELEASE=56 CLIENTS_LIST=64 IDENTITY_READ=80 TOPICS_SET=96 TOPICS_JOIN=97 TOPICS_LEAVE=98 TOPICS_DROP=99 TOPICS_GET=100 TOPICS_ALIAS=101 TIMERS_SET=112 TIMERS_CANCEL=113 LIVE_PUBLISH=128 HTTP_CLIENT=144 STREAMS_LISTEN=160 STREAMS_DIAL=161 STREAMS_WRITE=162 STREAMS_CLOSE=163 STREAMS_CREDIT=164 CALL=176
Status OK=0 RETRY=1 FAILED=2 INVALID=3 FORBIDDEN=4 LIMIT=5 UNSUPPORTED=6 NOT_FOUND=7 CONFLICT=8 GONE=9
Role MAIN=0 POOL=1 FILTER=2 TRIAL=3
Level INFO=0 DEBUG=1 WARN=2 ERROR=3
MetricKind COUNTER=0 GAUGE=1 HISTOGRAM=2
Verdict PASS=0 DROP=1 REPLACE=2
ClientChangeKind CONNECTED=0 CHANGED=1 DISCONNECTED=2
FetchAs BYTES=0 TREE=1 BLOB=2
StreamEventKind OPENED=0 DATA=1 CREDIT=2 CLOSED=3
"""
_MESSAGES = """
Frame call=1u answer=2? op=3u status=4u payload=5b within=6u deadline=7i
Error code=1s message=2s details=3@Pair*
Pair name=1s value=2s
Box south=1d west=2d north=3d east=4d
Caller user=1s name=2s roles=3s* in_set=4i out_set=5i client=6s certificate_serial=7s listener=8s base_url=9s via=10s*
Audience groups=1s* all=2? uids=3s* callsigns=4s* topic=5s as_event=6i set=7i except=8s*
Description name=1s version=2s abi=3i sdk=4s ops=5u*
Grant capability=1s types=2s* groups=3s* box=4@Box missions=5? rate=6i span=7i rows=8i bytes=9i number=10i prefixes=11s* listeners=12s* names=13s* hosts=14s* methods=15s* listen=16s* dial=17s* trust=18s* actions=19s*
Init name=1s version=2s config=3b grants=4@Grant* role=5u node=6i from_version=7s base_urls=8s* base_listeners=9s* node_id=10s
Snapshot version=1s entries=2@SnapshotEntry*
SnapshotEntry key=1b value=2b
Reindex documents=1@Document* indexes=2s*
Reindexed documents=1@DocumentKeys*
DocumentKeys keys=1@IndexKey*
Log level=1u message=2s attributes=3@Pair*
Clock now=1i monotonic=2i
RandomRequest n=1u
Metric name=1s kind=2u value=3d labels=4@Pair*
Metrics metrics=1@Metric*
BatchResult results=1@EventResult*
EventResult event=1u status=2u message=3s
FilterVerdict verdict=1u xml=2s reason=3s
Emit events=1@Emission*
Emission xml=1s audience=2@Audience fleeting=3?
EventQuery types=1s* uids=2s* ids=3i* from=4i to=5i box=6@Box groups=7s* limit=8u after=9s oldest_first=10? latest=11? as_caller=12? detail=13s* xml=14?
EventPage views=1b next=2s
IndexKey index=1s key=2b
Document collection=1s id=2s body=3b data=4u revision=5u set=6i modified=7i key=8b
Documents documents=1@Document* next=2s count=3u
Get collection=1s ids=2s* as_caller=3?
Put collection=1s id=2s body=3b keys=4@IndexKey* set=5i must_be_new=6?
Delete collection=1s id=2s
Deleted existed=1?
Query collection=1s index=2s from=3b to=4b descending=5? limit=6u after=7s as_caller=8? no_bodies=9? count=10?
Counter name=1s
CounterValue value=1i
BlobRef hash=1s size=2i content_type=3s name=4s
BlobRefs blobs=1@BlobRef*
BlobPut data=1b content_type=2s name=3s
BlobRead hash=1s offset=2i length=3u
BlobKeep hash=1s owner=2s
BlobOwner owner=1s
ZipEntries entries=1@ZipEntry*
ZipEntry name=1s size=2i
ZipEntryRequest hash=1s name=2s
BlobPack entries=1@PackEntry* name=2s
PackEntry name=1s hash=2s data=3b
Client uid=1s callsign=2s user=3s team=4s role=5s in_set=6i out_set=7i connection=8u listener=9s address=10s connected=11i seen=12i platform=13s version=14s device=15s lat=16d lon=17d located=18?
ClientQuery uids=1s* callsigns=2s* as_caller=3?
Clients clients=1@Client*
ClientChange kind=1u client=2@Client at=3i
ClientChanges changes=1@ClientChange*
IdentityQuery user=1s set=2i certificate_serial=3s
Identity user=1s name=2s roles=3s* in_set=4i out_set=5i groups=6s* certificate=7b revoked=8?
Topic name=1s members=2@TopicMember*
TopicMember user=1s client=2s may_publish=3?
TopicName name=1s
TopicAlias alias=1s topics=2s*
TimerSet name=1s at=2i every=3i data=4b
TimerName name=1s
Timer name=1s due=2i missed=3u data=4b
Publish stream=1s event=2s data=3b audience=4@Audience key=5s
HTTPRequest route=1s method=2s path=3s params=4@Pair* query=5@Pair* headers=6@Pair* caller=7@Caller tree=8b form=9@Pair* body=10b blobs=11@BlobRef* content_type=12s read_only=13?
HTTPResponse status=1i content_type=2s headers=3@Pair* parts=4@Part*
Part data=1b document=2@DocumentPart range=3@RangePart blob=4@BlobPart
DocumentPart collection=1s id=2s
RangePart query=1@Query separator=2s
BlobPart hash=1s file_name=2s offset=3i length=4i
Fetch method=1s url=2s headers=3@Pair* body=4b blob=5s idempotency_key=6s timeout=7i as=8u
Fetched status=1i headers=2@Pair* content_type=3s body=4b tree=5b blob=6@BlobRef
Action name=1s version=2u body=3b tree=4b caller=5@Caller
ActionResult body=1b content_type=2s
StreamListen address=1s trust=2s protocols=3s*
StreamDial address=1s trust=2s server_name=3s protocols=4s*
StreamOpened stream=1u
StreamWrite stream=1u data=2b
StreamID stream=1u
StreamCredit stream=1u bytes=2u
StreamEvent kind=1u stream=2u listener=3u address=4s certificates=5b* data=6b credit=7u error=8s
StreamEvents events=1@StreamEvent*
"""
# end of plugin.proto


class Message:
    """A message of plugin.proto. Absent fields are zero, empty or None."""

    _fields = ()  # (name, number, kind, repeated)
    _by_number = {}

    def __init__(self, **fields):
        for name, _, kind, repeated in self._fields:
            setattr(self, name, fields.pop(name) if name in fields else [] if repeated else _ZERO.get(kind))
        if fields:
            raise TypeError("%s has no field %s" % (type(self).__name__, ", ".join(fields)))

    def __repr__(self):
        have = ("%s=%r" % (f[0], getattr(self, f[0])) for f in self._fields if getattr(self, f[0]))
        return "%s(%s)" % (type(self).__name__, ", ".join(have))

    def __eq__(self, other):
        return type(self) is type(other) and self.encode() == other.encode()

    def encode(self):
        out = bytearray()
        for name, number, kind, repeated in self._fields:
            value = getattr(self, name)
            if repeated:
                for v in value:
                    _write(out, number, kind, v)
            elif value or (value is not None and kind[0] == "@"):
                _write(out, number, kind, value)
        return bytes(out)

    @classmethod
    def decode(cls, data):
        m, at, data = cls(), 0, memoryview(data)
        while at < len(data):
            tag, at = _varint(data, at)
            wire = tag & 7
            if wire == 0:
                raw, at = _varint(data, at)
            elif wire in (1, 2, 5):
                size, at = _varint(data, at) if wire == 2 else (8 if wire == 1 else 4, at)
                raw, at = data[at:at + size], at + size
            else:
                raise ValueError("%s has a field of a kind that does not exist" % cls.__name__)
            if at > len(data):
                raise ValueError("%s ends inside a field" % cls.__name__)
            if tag >> 3 not in cls._by_number:
                continue
            name, _, kind, repeated = cls._by_number[tag >> 3]
            if not repeated:
                setattr(m, name, _read(kind, raw))
            elif wire == 2 and kind in "ui?":  # packed
                i = 0
                while i < len(raw):
                    v, i = _varint(raw, i)
                    getattr(m, name).append(_read(kind, v))
            else:
                getattr(m, name).append(_read(kind, raw))
        return m


_ZERO = {"u": 0, "i": 0, "?": False, "d": 0.0, "s": "", "b": b""}


def _varint(data, at):
    value = shift = 0
    while at < len(data) and shift < 70:
        b = data[at]
        at += 1
        value |= (b & 0x7F) << shift
        if b < 0x80:
            return value, at
        shift += 7
    raise ValueError("a message ends inside a number")


def _append_varint(out, value):
    value &= 0xFFFFFFFFFFFFFFFF
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _write(out, number, kind, value):
    if kind in "ui?":
        _append_varint(out, number << 3)
        _append_varint(out, int(value))
    elif kind == "d":
        _append_varint(out, number << 3 | 1)
        out += struct.pack("<d", value)
    else:
        raw = value if kind == "b" else value.encode()
        _append_varint(out, number << 3 | 2)
        _append_varint(out, len(raw))
        out += raw


def _read(kind, raw):
    if kind == "i":
        return raw - (1 << 64) if raw >> 63 else raw
    if kind == "?":
        return raw != 0
    if kind == "d":
        return struct.unpack("<d", raw)[0]
    if kind == "s":
        return str(raw, "utf-8")
    if kind == "b":
        return bytes(raw)
    return raw if kind == "u" else globals()[kind[1:]].decode(raw)


def _define():
    for line in _ENUMS.strip().split("\n"):
        name, *values = line.split()
        globals()[name] = type(name, (), {k: int(v) for k, v in (v.split("=") for v in values)})
    for line in _MESSAGES.strip().split("\n"):
        name, *fields = line.split()
        fields = tuple((f, int(n), kind, bool(many)) for f, n, kind, many in
                       (re.fullmatch(r"(\w+)=(\d+)([ui?dsb]|@\w+)(\*?)", f).groups() for f in fields))
        globals()[name] = type(name, (Message,), {"_fields": fields, "_by_number": {f[1]: f for f in fields}})


_define()
_Error = Error  # the message; Error is the exception below

STATUSES = ("ok", "retry", "failed", "invalid", "forbidden", "limit", "unsupported", "not_found", "conflict", "gone")


class Error(Exception):
    """An answer other than ok: of the server, or to be raised by a plugin.

    status is a name of STATUSES. The message reaches HTTP callers: no secrets.
    """

    def __init__(self, status, message, code="", details=None):
        super().__init__(message)
        if status not in STATUSES[1:]:
            raise ValueError("there is no status %r" % status)
        self.status, self.message, self.code, self.details = status, message, code, dict(details or {})


# ---- times ----

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def when(micros):
    """The time of microseconds since 1970, which is what messages have; None of 0."""
    return _EPOCH + datetime.timedelta(microseconds=micros) if micros else None


def micros(time):
    """Microseconds since 1970 of a datetime with a zone, or of a span."""
    if isinstance(time, datetime.datetime):
        time = time - _EPOCH
    return time // datetime.timedelta(microseconds=1)


def _part(data, at):
    """What the pair of offset and length at a place means: nothing if it points outside."""
    off, size = struct.unpack_from("<II", data, at)
    return data[off:off + size] if off + size <= len(data) else b""


# ---- trees: configs, request bodies, details; the layout is at hostapi.Tree ----

class Node:
    """A node of a tree that the server has parsed: XML or JSON.

    kind is "element" for XML, and else "object", "array", "string", "number",
    "bool" or "null". A node that is not there is false, has no name, no text and
    no children, so child(...) can be chained.
    """

    KINDS = ("", "element", "object", "array", "string", "number", "bool", "null")

    def __init__(self, tree=b"", i=0, end=None):
        self._tree, self._i, self._head, self._end = tree, i, 0, 0
        if len(tree) >= 16:
            self._head, nodes = struct.unpack_from("<6xHI", tree)
            self._end = min(nodes if end is None else end, nodes)

    def __bool__(self):
        return self._end > 0

    def __iter__(self):
        """The nodes directly below this one."""
        i = self._i + 1
        while i < self._end:
            to = min(max(struct.unpack_from("<I", self._tree, self._head + 36 * i + 24)[0], i + 1), self._end)
            yield Node(self._tree, i, to)
            i = to

    def _text(self, at):
        if not self:
            return ""
        return str(_part(self._tree, at), "utf-8", "replace")

    @property
    def name(self):
        return self._text(self._head + 36 * self._i)

    @property
    def text(self):
        """Character data of an element, or the scalar as it was written."""
        return self._text(self._head + 36 * self._i + 8)

    @property
    def raw(self):
        """The XML or JSON as it was sent."""
        return self._text(self._head + 36 * self._i + 16)

    @property
    def kind(self):
        k = self._tree[self._head + 36 * self._i + 32] if self else 0
        return self.KINDS[k] if k < len(self.KINDS) else ""

    @property
    def attrs(self):
        """The attributes, as a dict."""
        if not self:
            return {}
        nodes, total = struct.unpack_from("<8xII", self._tree)
        first, last = struct.unpack_from("<I", self._tree, self._head + 36 * self._i + 28)[0], total
        if self._i + 1 < nodes:
            last = struct.unpack_from("<I", self._tree, self._head + 36 * (self._i + 1) + 28)[0]
        table = self._head + 36 * nodes
        return {self._text(table + 16 * a): self._text(table + 16 * a + 8) for a in range(first, min(last, total))}

    def child(self, name):
        """The first node of that name directly below this one."""
        return next((c for c in self if c.name == name), Node())

    def value(self):
        """JSON as Python has it: dict, list, str, int, float, bool, None."""
        kind = self.kind
        if kind == "object":
            return {c.name: c.value() for c in self}
        if kind == "array":
            return [c.value() for c in self]
        if kind in ("number", "bool"):
            return json.loads(self.text)
        return self.text if kind in ("string", "element") else None


# ---- events; the layout is at hostapi.View and hostapi.Batch ----

def _number(at, form):
    return property(lambda e: struct.unpack_from("<" + form, e._view, at)[0] if at < e._head else 0)


def _string(at):
    return property(lambda e: str(e._bytes(at), "utf-8", "replace"))


class Event:
    """A CoT event as the server read it.

    Times are microseconds since 1970 (see when), 0 for none; 9999999 is a height or
    an error that is not known.
    """

    def __init__(self, view):
        self._view = view
        self._head = struct.unpack_from("<6xH", view)[0]

    def _bytes(self, at):
        if at >= self._head:
            return b""
        return _part(self._view, at)

    id, recv, time, start, stale = (_number(at, "q") for at in (8, 16, 24, 32, 40))
    lat, lon, hae, ce, le, speed, course = (_number(at, "d") for at in (48, 56, 64, 72, 80, 88, 96))
    connection, groups, flags = _number(104, "Q"), _number(112, "i"), _number(116, "I")
    node, hops = _number(120, "H"), _number(123, "B")
    matched = _number(124, "I")
    uid, type, how, callsign, endpoint, team, role, user, client = (_string(at) for at in range(128, 200, 8))
    xml = _string(216)

    ORIGINS = ("client", "server", "plugin", "http", "federate", "peer")
    DESTS = ("", "callsign", "publish", "uid", "mission", "mission-guid", "group")

    @property
    def origin(self):
        o = self._view[122]
        return self.ORIGINS[o] if o < len(self.ORIGINS) else ""

    @property
    def dests(self):
        """Destinations as pairs of kind and value."""
        off, n = struct.unpack_from("<II", self._view, 200)
        for at in range(off, off + 12 * n, 12):
            yield self.DESTS[self._view[at]], str(_part(self._view, at + 4), "utf-8", "replace")

    @property
    def detail(self):
        """The <detail> element, with what the manifest's subscription asks for."""
        return Node(self._bytes(208))

    def __repr__(self):
        return "Event(%s %s)" % (self.type, self.uid)


class Batch:
    """The events of one call, in the order of their arrival."""

    def __init__(self, data):
        self._data = memoryview(data)
        self.size, self.attempt, self.missed, self.delivery = struct.unpack_from("<8xIIQQ", self._data)

    def __len__(self):
        return self.size

    def __iter__(self):
        at = struct.unpack_from("<6xH", self._data)[0]
        for _ in range(self.size):
            size = struct.unpack_from("<I", self._data, at)[0]
            yield Event(self._data[at:at + size])
            at += size


def cot(uid, type, lat=0.0, lon=0.0, *, callsign="", detail="", how="m-g", hae=9999999.0, ce=9999999.0,
        le=9999999.0, time=None, stale=datetime.timedelta(minutes=5)):
    """Writes an event. detail is XML, which stands in <detail> as it is."""
    time = time or datetime.datetime.now(datetime.timezone.utc)
    def stamp(t):
        return quoteattr(t.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z")
    if callsign:
        detail = "<contact callsign=%s/>%s" % (quoteattr(callsign), detail)
    return ('<event version="2.0" uid=%s type=%s how=%s time=%s start=%s stale=%s>'
            '<point lat="%.7f" lon="%.7f" hae="%s" ce="%s" le="%s"/><detail>%s</detail></event>') % (
                quoteattr(uid), quoteattr(type), quoteattr(how), stamp(time), stamp(time), stamp(time + stale),
                lat, lon, hae, ce, le, detail)


# ---- keys of indexes; the form is in hostapi/index ----

def key(*values):
    """The key of a tuple of bool, int, float, str, bytes and datetime: its order is theirs."""
    out = bytearray()
    for v in values:
        if isinstance(v, bool):
            out.append(0x11 if v else 0x10)
        elif isinstance(v, datetime.datetime):
            out += b"\x40" + struct.pack(">Q", micros(v) + (1 << 63))
        elif isinstance(v, int):
            out += b"\x20" + struct.pack(">Q", v + (1 << 63))
        elif isinstance(v, float):
            if v != v:
                raise ValueError("NaN has no place in an order")
            bits = struct.unpack(">Q", struct.pack(">d", v + 0.0))[0]
            out += b"\x30" + struct.pack(">Q", bits ^ (1 << 64) - 1 if bits >> 63 else bits | 1 << 63)
        elif isinstance(v, (str, bytes)):
            raw = v.encode() if isinstance(v, str) else v
            out += (b"\x50" if isinstance(v, str) else b"\x60") + raw.replace(b"\0", b"\0\xff") + b"\0"
        else:
            raise TypeError("an index has no values of the type %s" % type(v).__name__)
    if len(values) > 4 or len(out) > 1024:
        raise ValueError("a key has four values and 1,024 bytes at most")
    return bytes(out)


def after(prefix):
    """The end of the range of all keys whose tuples begin with that of prefix."""
    return prefix + b"\xff"


def values(data):
    """The tuple of a key, such as Document.key."""
    out, at = [], 0
    while at < len(data):
        tag, at = data[at], at + 1
        if tag in (0x10, 0x11):
            out.append(tag == 0x11)
        elif tag in (0x20, 0x30, 0x40):
            n = struct.unpack_from(">Q", data, at)[0]
            at += 8
            if tag == 0x30:
                out.append(struct.unpack(">d", struct.pack(">Q", n ^ 1 << 63 if n >> 63 else n ^ (1 << 64) - 1))[0])
            else:
                out.append(n - (1 << 63) if tag == 0x20 else _EPOCH + datetime.timedelta(microseconds=n - (1 << 63)))
        elif tag in (0x50, 0x60):
            end = re.compile(b"\0(?!\xff)").search(data, at).start()
            raw = data[at:end].replace(b"\0\xff", b"\0")
            out.append(raw.decode() if tag == 0x50 else raw)
            at = end + 1
        else:
            raise ValueError("these bytes are no key")
    return tuple(out)


# ---- what a call may ask of the server ----

Document.json = lambda d: json.loads(d.body)

# Operations without an effect that is committed with the call.
_READS = {HostOp.LOG, HostOp.CONFIG, HostOp.CLOCK, HostOp.RANDOM, HostOp.METRIC, HostOp.EVENTS_QUERY,
          HostOp.STORE_GET, HostOp.STORE_QUERY, HostOp.CLIENTS_LIST, HostOp.IDENTITY_READ, HostOp.TOPICS_GET,
          HostOp.HTTP_CLIENT, HostOp.BLOBS_READ, HostOp.BLOBS_STAT, HostOp.BLOBS_LIST, HostOp.BLOBS_ZIP_LIST,
          HostOp.BLOBS_PUT, HostOp.BLOBS_ZIP_ENTRY, HostOp.BLOBS_PACK}


def _pairs(d):
    return [Pair(name=str(k), value=str(v)) for k, v in (d or {}).items()]


def _data(body):
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, (bytes, bytearray, memoryview)) else json.dumps(body).encode()


def _micros(t):
    return t if isinstance(t, int) else micros(t) if t is not None else 0


def to(*, groups=(), all=False, uids=(), callsigns=(), topic="", event=None, set=0, but=()):
    """Says who gets an event or a live update: groups, all, those who got an event, ...

    There is no audience by default. set narrows names down to those who may see one of
    its groups; but leaves clients out, by uid.
    """
    return Audience(groups=list(groups), all=all, uids=list(uids), callsigns=list(callsigns), topic=topic,
                    as_event=event.id if event is not None else 0, set=set, **{"except": list(but)})


def _query(collection, index="", *, is_=None, from_=None, before=None, descending=False, limit=0, after_="",
           as_caller=False, no_bodies=False, count=False):
    if index:
        low = key(*(is_ if is_ is not None else from_ or ()))
        high = after(low) if is_ is not None else key(*before) if before else b""
    else:
        low, high = _data(is_ or from_ or ""), _data(before or "")
        if is_ is not None:
            high = low + b"\0"
    return Query(collection=collection, index=index, to=high, descending=descending, limit=limit, after=after_,
                 as_caller=as_caller, no_bodies=no_bodies, count=count, **{"from": low})


class Call:
    """One call of the plugin, and the only way to the server."""

    def __init__(self, ask, plugin, caller=None, batch=None):
        self._ask, self._plugin = ask, plugin
        self.caller = caller or Caller()  # of a request or an action; else empty
        self.batch = batch  # of events: attempt, missed, delivery
        self._now = None
        self._staged = 0

    def ask(self, op, message=b"", answer=None):
        """Any operation of HostOp: messages in and out, bytes without a class for the answer."""
        if op not in _READS:
            self._staged += 1
        status, payload = self._ask(op, message.encode() if isinstance(message, Message) else message)
        if status:
            name = STATUSES[status] if status < len(STATUSES) else "failed"
            e = _Error.decode(payload)
            raise Error(name, e.message or "the server answered " + name, e.code, {p.name: p.value for p in e.details})
        return answer.decode(payload) if answer else payload

    @property
    def start(self):
        """The Init message: name, version, grants, role, node, node_id, base_urls."""
        return self._plugin._start

    def base_url(self, listener):
        """Where clients reach a listener (https, web, rest, http), "" when it is closed."""
        start = self._plugin._start
        return dict(zip(start.base_listeners, start.base_urls)).get(listener, "")

    @property
    def config(self):
        """The plugin's section of the config, checked and with defaults: a dict."""
        return self._plugin._config

    @property
    def now(self):
        """The server's time, asked once in a call."""
        if self._now is None:
            self._now = when(self.ask(HostOp.CLOCK, answer=Clock).now)
        return self._now

    def random(self, n):
        return self.ask(HostOp.RANDOM, RandomRequest(n=n))

    def log(self, message, level="info", **attributes):
        self.ask(HostOp.LOG, Log(level=getattr(Level, level.upper()), message=message, attributes=_pairs(attributes)))

    def metric(self, name, value=1.0, kind="counter", **labels):
        self.ask(HostOp.METRIC, Metrics(metrics=[Metric(
            name=name, value=value, kind=getattr(MetricKind, kind.upper()), labels=_pairs(labels))]))

    # events

    def emit(self, xml, audience, fleeting=False):
        """Sends an event, such as cot writes, when the call is committed."""
        self.ask(HostOp.EVENTS_EMIT, Emit(events=[Emission(xml=xml, audience=audience, fleeting=fleeting)]))

    def events(self, **query):
        """Reads the archive: fields of EventQuery, times as datetime. Gives events, all pages."""
        for name in ("from_", "to"):
            if name in query:
                query[name.rstrip("_")] = _micros(query.pop(name))
        q = EventQuery(**query)
        while True:
            page = self.ask(HostOp.EVENTS_QUERY, q, EventPage)
            if page.views:
                yield from Batch(page.views)
            if not page.next:
                return
            q.after = page.next

    # documents

    def get(self, collection, id, as_caller=False):
        """The document, or None."""
        found = self.get_all(collection, [id], as_caller)
        return found[0] if found else None

    def get_all(self, collection, ids, as_caller=False):
        m = Get(collection=collection, ids=list(ids), as_caller=as_caller)
        return self.ask(HostOp.STORE_GET, m, Documents).documents

    def put(self, collection, id, body=b"", keys=None, set=0, new=False):
        """Writes a document: bytes, a text, or anything that JSON can say.

        keys are the values by which indexes find it: {"by-time": [when(event.recv)]}.
        """
        keys = [IndexKey(index=i, key=key(*v)) for i, v in (keys or {}).items()]
        self.ask(HostOp.STORE_PUT, Put(collection=collection, id=id, body=_data(body), keys=keys, set=set, must_be_new=new))

    def delete(self, collection, id):
        """Removes a document and says whether it was there."""
        return self.ask(HostOp.STORE_DELETE, Delete(collection=collection, id=id), Deleted).existed

    def query(self, collection, index="", **range):
        """Documents in the order of an index, or of their ids; all pages.

        is_, from_ and before take tuples of values, or an id: is_=("red",) finds the
        keys that begin so. Also descending, as_caller, no_bodies, limit (of a page).
        """
        q = _query(collection, index, **range)
        while True:
            page = self.ask(HostOp.STORE_QUERY, q, Documents)
            yield from page.documents
            if not page.next:
                return
            q.after = page.next

    def count(self, collection, index="", **range):
        return self.ask(HostOp.STORE_QUERY, _query(collection, index, count=True, **range), Documents).count

    def next(self, counter):
        """The next value of a counter of the plugin, 1 first."""
        return self.ask(HostOp.STORE_COUNTER, Counter(name=counter), CounterValue).value

    # files, whose bytes stay with the server; their hashes are what lets one read them

    def put_file(self, data, name="", content_type=""):
        """Writes a file of up to 1 MiB: a BlobRef. It goes an hour later unless it is kept; at once with a call that fails."""
        return self.ask(HostOp.BLOBS_PUT, BlobPut(data=_data(data), name=name, content_type=content_type), BlobRef)

    def read_file(self, hash, offset=0, length=256 << 10):
        """Bytes of a file, 256 KiB at most; fewer at its end."""
        return self.ask(HostOp.BLOBS_READ, BlobRead(hash=hash, offset=offset, length=length))

    def stat_file(self, hash):
        """A BlobRef: size, content_type, name."""
        return self.ask(HostOp.BLOBS_STAT, BlobRef(hash=hash), BlobRef)

    def keep_file(self, hash, owner):
        """Makes a file stay until release_file, for an owner, which is any text."""
        self.ask(HostOp.BLOBS_KEEP, BlobKeep(hash=hash, owner=owner))

    def release_file(self, hash, owner):
        self.ask(HostOp.BLOBS_RELEASE, BlobKeep(hash=hash, owner=owner))

    def kept_files(self, owner):
        return self.ask(HostOp.BLOBS_LIST, BlobOwner(owner=owner), BlobRefs).blobs

    def zip_list(self, hash):
        """The files of a zip archive: name and size. One that is not safe is refused."""
        return self.ask(HostOp.BLOBS_ZIP_LIST, BlobRef(hash=hash), ZipEntries).entries

    def zip_entry(self, hash, name):
        """Makes a file of a zip archive one of the store."""
        return self.ask(HostOp.BLOBS_ZIP_ENTRY, ZipEntryRequest(hash=hash, name=name), BlobRef)

    def pack(self, name, files):
        """Makes a zip archive of a dict: names with bytes, texts or BlobRefs."""
        entries = [PackEntry(name=n, hash=f.hash) if isinstance(f, BlobRef) else PackEntry(name=n, data=_data(f))
                   for n, f in files.items()]
        return self.ask(HostOp.BLOBS_PACK, BlobPack(entries=entries, name=name), BlobRef)

    # the rest

    def set_timer(self, name, at=None, every=None, data=b""):
        self.ask(HostOp.TIMERS_SET, TimerSet(name=name, at=_micros(at), every=_micros(every), data=_data(data)))

    def cancel_timer(self, name):
        self.ask(HostOp.TIMERS_CANCEL, TimerName(name=name))

    def publish(self, stream, data, audience, event="", key=""):
        """Sends a live update to browsers; data is what JSON can say."""
        self.ask(HostOp.LIVE_PUBLISH, Publish(stream=stream, event=event, data=json.dumps(data).encode(),
                                              audience=audience, key=key))

    def fetch(self, method, url, headers=None, body=b"", key="", timeout=None):
        """Sends a request to another server, at once and at least once; see Fetched."""
        return self.ask(HostOp.HTTP_CLIENT, Fetch(method=method, url=url, headers=_pairs(headers), body=_data(body),
                                                  idempotency_key=key, timeout=_micros(timeout)), Fetched)

    def clients(self, uids=(), callsigns=(), as_caller=False):
        """Who is connected."""
        m = ClientQuery(uids=list(uids), callsigns=list(callsigns), as_caller=as_caller)
        return self.ask(HostOp.CLIENTS_LIST, m, Clients).clients

    def identity(self, user="", set=0, certificate_serial=""):
        """Who a user is, which groups a set has, or whose a certificate is: one of the three."""
        m = IdentityQuery(user=user, set=set, certificate_serial=certificate_serial)
        return self.ask(HostOp.IDENTITY_READ, m, Identity)

    def action(self, name, body=b"", version=1):
        """Asks plugin.action of another plugin, as a part of this call."""
        return self.ask(HostOp.CALL, Action(name=name, version=version, body=_data(body)), ActionResult).body


# ---- HTTP ----

class Request:
    """A request to one of the plugin's routes."""

    def __init__(self, m):
        self.message, self.route, self.method, self.path = m, m.route, m.method, m.path
        self.params, self.query, self.headers, self.form = (
            {p.name: p.value for p in pairs} for pairs in (m.params, m.query, m.headers, m.form))
        self.caller, self.body, self.blobs, self.content_type = m.caller or Caller(), m.body, m.blobs, m.content_type
        self.tree = Node(m.tree)  # of a body in JSON or XML

    @property
    def json(self):
        return self.tree.value()


class Response:
    """An answer. body is bytes, a text, what JSON can say, or a list of Part messages,
    such as document and documents give."""

    def __init__(self, body=b"", status=0, content_type="", headers=None):
        self.body, self.status, self.content_type, self.headers = body, status, content_type, headers

    def encode(self):
        body = self.body
        if body is None:
            parts = []
        elif isinstance(body, list) and body and all(isinstance(p, Part) for p in body):
            parts = body
        else:
            parts = [Part(data=_data(body))]
        return HTTPResponse(status=self.status, content_type=self.content_type,
                            headers=_pairs(self.headers), parts=parts).encode()


def document(collection, id):
    """A part of an answer: the body of a document."""
    return Part(document=DocumentPart(collection=collection, id=id))


def documents(collection, index="", separator=",", **range):
    """A part of an answer: the bodies of all documents of a query."""
    return Part(range=RangePart(query=_query(collection, index, **range), separator=separator))


def blob(hash, file_name=""):
    """A part of an answer: a file. A name makes it a download, if it is all of the answer."""
    return Part(blob=BlobPart(hash=hash, file_name=file_name))


def blob_range(hash, offset, length=0):
    """A part of an answer: length bytes of a file from offset on; 0: all that is left.
    Status 206 and Content-Range are for the plugin to say."""
    return Part(blob=BlobPart(hash=hash, offset=offset, length=length))


# ---- the plugin ----

class Plugin:
    """What a plugin does: functions, each given by a decorator of its name."""

    def __init__(self, name="", version=""):
        self.name, self.version = name, version
        self._single, self._named = {}, {}
        self._start, self._config = Init(), {}

    def _one(self, op, f):
        self._single[op] = f
        return f

    def _many(self, op, name):
        def register(f):
            self._named.setdefault(op, {})[name] = f
            return f
        return register

    def init(self, f): return self._one(GuestOp.INIT, f)                # f(call, init)
    def reconfigure(self, f): return self._one(GuestOp.RECONFIGURE, f)  # f(call, init)
    def health(self, f): return self._one(GuestOp.HEALTH, f)            # f(call)
    def stop(self, f): return self._one(GuestOp.STOP, f)                # f(call)
    def events(self, f): return self._one(GuestOp.EVENTS, f)            # f(call, event)
    def clients(self, f): return self._one(GuestOp.CLIENTS, f)          # f(call, change)
    def snapshot(self, f): return self._one(GuestOp.SNAPSHOT, f)        # f(call) -> {key: value}, bytes
    def restore(self, f): return self._one(GuestOp.RESTORE, f)          # f(call, version, {key: value})
    def reindex(self, f): return self._one(GuestOp.REINDEX, f)          # f(call, document) -> {index: values}
    def http(self, route): return self._many(GuestOp.HTTP, route)       # f(call, request) -> body or Response
    def timer(self, name): return self._many(GuestOp.TIMER, name)       # f(call, timer); name* takes all that begin so
    def action(self, name): return self._many(GuestOp.ACTION, name)     # f(call, action) -> body

    def serve(self, op, payload, ask):
        """Answers one operation of the server: (status, payload). For run, and for tests."""
        try:
            return 0, self._serve(op, payload, ask)
        except Error as e:
            m = _Error(code=e.code, message=e.message, details=_pairs(e.details))
            return STATUSES.index(e.status), m.encode()
        except Exception as e:
            m = _Error(code="exception", message="the plugin raised %s: %s" % (type(e).__name__, e),
                       details=[Pair(name="stack", value=traceback.format_exc()[-4096:])])
            return STATUSES.index("failed"), m.encode()

    def _serve(self, op, payload, ask):
        call = Call(ask, self)
        f = self._single.get(op)
        if op == GuestOp.DESCRIBE:
            ops = {GuestOp.DESCRIBE, GuestOp.INIT, GuestOp.HEALTH, GuestOp.STOP, *self._single, *self._named}
            return Description(name=self.name, version=self.version, abi=_ABI,
                               sdk="python sdk " + __version__, ops=sorted(ops)).encode()
        if op == GuestOp.INIT or (op == GuestOp.RECONFIGURE and f):
            m = Init.decode(payload)
            before = self._start, self._config
            self._start, self._config = m, Node(m.config).value() or {}
            try:
                if f:
                    f(call, m)
            except BaseException:
                self._start, self._config = before
                raise
            return b""
        if op in (GuestOp.HEALTH, GuestOp.STOP):
            if f:
                f(call)
            return b""
        if op in self._named:
            return self._serve_named(op, payload, call)
        if f is None:
            raise Error("unsupported", "the plugin has no function for operation %d" % op)
        if op == GuestOp.EVENTS:
            return self._serve_events(f, Batch(payload), call)
        if op == GuestOp.CLIENTS:
            for change in ClientChanges.decode(payload).changes:
                change.client = change.client or Client()  # so that functions need not ask
                f(call, change)
        elif op == GuestOp.SNAPSHOT:
            entries = [SnapshotEntry(key=_data(k), value=_data(v)) for k, v in f(call).items()]
            return Snapshot(version=self._start.version, entries=entries).encode()
        elif op == GuestOp.RESTORE:
            m = Snapshot.decode(payload)
            f(call, m.version, {e.key: e.value for e in m.entries})
        elif op == GuestOp.REINDEX:
            m = Reindex.decode(payload)
            return Reindexed(documents=[DocumentKeys(keys=[
                IndexKey(index=i, key=key(*v)) for i, v in f(call, d).items() if i in m.indexes])
                for d in m.documents]).encode()
        return b""

    def _serve_events(self, f, batch, call):
        call.batch, results = batch, []
        for n, event in enumerate(batch):
            before = call._staged
            try:
                f(call, event)
            except Exception as e:
                if call._staged != before:
                    raise  # half of its effects must not be committed with those of the others
                if not isinstance(e, Error):
                    traceback.print_exc()
                    e = Error("failed", "the plugin raised %s: %s" % (type(e).__name__, e))
                results.append(EventResult(event=n, status=STATUSES.index(e.status), message=e.message))
        return BatchResult(results=results).encode()

    def _serve_named(self, op, payload, call):
        kind, name = {GuestOp.HTTP: (HTTPRequest, "route"), GuestOp.TIMER: (Timer, "name"),
                      GuestOp.ACTION: (Action, "name")}[op]
        m = kind.decode(payload)
        name, functions = getattr(m, name), self._named[op]
        if name not in functions:  # the longest pattern that fits
            fits = [n for n in functions if n.endswith("*") and name.startswith(n[:-1])]
            if op != GuestOp.TIMER or not fits:
                raise Error("unsupported", "the plugin has no function for %s" % name)
            name = max(fits, key=len)
        if op == GuestOp.TIMER:
            functions[name](call, m)
            return b""
        call.caller = m.caller or call.caller
        if op == GuestOp.ACTION:
            result = functions[name](call, m)
            return result.encode() if isinstance(result, ActionResult) else ActionResult(body=_data(result or b"")).encode()
        result = functions[name](call, Request(m))
        return (result if isinstance(result, Response) else Response(result)).encode()

    def run(self):
        """Serves until the server ends the process."""
        if not _SERVED:
            sys.exit("this program is a takhost plugin: pack it by takhost plugin build, and the server runs it")
        _Session(self).run()


# ---- the process: go-plugin's handshake, and the one stream ----

def _certificate():
    """A key and a certificate for this one start, as PEM, and the certificate as DER."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1)).not_valid_after(now + datetime.timedelta(days=10000))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(private, hashes.SHA256()))
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, cert.public_bytes(serialization.Encoding.PEM), cert.public_bytes(serialization.Encoding.DER)


class _Session:
    """The server's calls are answered on the main thread; other threads move frames."""

    def __init__(self, plugin):
        self.plugin = plugin
        self.work, self.out = queue.SimpleQueue(), queue.SimpleQueue()
        self.lock, self.calls, self.waiting, self.opened = threading.Lock(), 0, {}, False

    def run(self):
        import grpc
        private, cert, der = _certificate()
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), options=[
            ("grpc.max_receive_message_length", _MAX_FRAME), ("grpc.max_send_message_length", _MAX_FRAME)])
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tak.plugin.v1.Plugin", {
            "Session": grpc.stream_stream_rpc_method_handler(self.session)}),))
        path = os.path.join(tempfile.mkdtemp(prefix="s", dir=os.environ.get("PLUGIN_UNIX_SOCKET_DIR")), "s")
        server.add_secure_port("unix:" + path, grpc.ssl_server_credentials(
            [(private, cert)], os.environ["PLUGIN_CLIENT_CERT"].encode(), require_client_auth=True))
        server.start()
        _handshake.write("1|1|unix|%s|grpc|%s\n" % (path, base64.b64encode(der).decode().rstrip("=")))
        _handshake.close()
        while True:
            frame = self.work.get()
            def ask(op, payload, within=frame.call):
                return self.ask(op, payload, within)
            status, payload = self.plugin.serve(frame.op, frame.payload, ask)
            self.out.put(Frame(call=frame.call, answer=True, status=status, payload=payload).encode())

    def session(self, frames, context):
        with self.lock:
            if self.opened:
                return  # there is one already
            self.opened = True
        threading.Thread(target=self.read, args=(frames,), daemon=True).start()
        while True:
            yield self.out.get()

    def read(self, frames):
        try:
            for data in frames:
                frame = Frame.decode(data)
                if frame.answer:
                    with self.lock:
                        answer = self.waiting.pop(frame.call, None)
                    if answer:
                        answer.put(frame)
                else:
                    self.work.put(frame)
        except Exception:  # the stream broke
            pass
        os._exit(0)  # the server is gone

    def ask(self, op, payload, within):
        answer = queue.SimpleQueue()
        with self.lock:
            self.calls += 1
            number = self.calls
            self.waiting[number] = answer
        self.out.put(Frame(call=number, op=op, payload=payload, within=within).encode())
        frame = answer.get()
        return frame.status, frame.payload
