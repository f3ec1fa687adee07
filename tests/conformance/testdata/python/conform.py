"""The conformance guest in Python; see package conformance for the cases."""
import datetime
import os
import struct

import takhost

plugin = takhost.Plugin("conform", "1.0.0")
state = {}


def fields(*all):
    """Text that the cases compare: fields with a bar behind each."""
    return "".join(str(f) + "|" for f in all)


def dump(n):
    """A tree: kind, name, attributes, text, and the nodes below."""
    attrs = n.attrs
    return "%d:%s{%s}%s%s" % (
        n.KINDS.index(n.kind), n.name,
        "".join("%s=%s," % (a, attrs[a]) for a in ("callsign", "name", "role", "empty", "none") if a in attrs),
        n.text, "".join("[" + dump(c) + "]" for c in n))


def bits(v):
    return struct.unpack("<Q", struct.pack("<d", v))[0]


# ---- life ----

def configure(call, start):
    c = call.config
    if "refuse" in c:
        raise takhost.Error("invalid", "config.refuse: " + c["refuse"], "config")
    grants = [f for g in start.grants for f in (g.capability, *g.types)]
    call.put("state", "config", fields(start.name, start.version, c.get("unit", ""), c.get("radius", ""), len(c.get("list", [])),
                                       start.role, start.node, start.from_version, *grants, *start.base_urls, *start.base_listeners,
                                       start.node_id))


@plugin.init
def init(call, start):
    state.clear()
    state.update(handled=0, sick=False)
    configure(call, start)


@plugin.reconfigure
def reconfigure(call, start):
    configure(call, start)


@plugin.health
def health(call):
    if state["sick"]:
        raise takhost.Error("retry", "sick since the request")


@plugin.snapshot
def snapshot(call):
    return {"handled": fields(state["handled"]), b"\0\xff": b"\0\1"}


@plugin.restore
def restore(call, version, entries):
    if b"handled" in entries:
        state["handled"] = int(entries[b"handled"].decode().rstrip("|"))
    call.put("state", "restored", fields(version, *(x.hex() for e in entries.items() for x in e)))


@plugin.reindex
def reindex(call, d):
    return {"by-id": [d.id], "by-size": [len(d.body)]}


# ---- events, clients, timers, actions ----

@plugin.events
def events(call, e):
    state["handled"] += 1
    if e.type == "x-refuse":
        raise takhost.Error("invalid", "not this one")
    if e.type == "x-retry":
        raise takhost.Error("retry", "not now")
    b = call.batch
    call.put("seen", e.uid, fields(
        b.attempt, b.missed, b.delivery, e.id, e.recv, e.time, e.start, e.stale,
        *map(bits, (e.lat, e.lon, e.hae, e.ce, e.le, e.speed, e.course)),
        e.connection, e.groups, e.flags, e.node, e.ORIGINS.index(e.origin), e.hops, e.matched,
        e.uid, e.type, e.how, e.callsign, e.endpoint, e.team, e.role, e.user, e.client,
        *(f for kind, value in e.dests for f in (e.DESTS.index(kind), value))
    ) + dump(e.detail) + fields("", e.detail.child("remarks").raw, e.xml), set=e.groups)
    if e.type == "x-late":
        raise takhost.Error("retry", "after an effect")


@plugin.clients
def clients_changed(call, change):
    c = change.client
    call.put("clients", c.uid, fields(change.kind, change.at, c.callsign, c.out_set))


@plugin.timer("tick")
def tick(call, t):
    call.put("ticks", t.name, fields(t.due, t.missed, t.data.decode()))


@plugin.action("add")
def add(call, a):
    return fields(sum(a.body), a.version, call.caller.user, *call.caller.via)


# ---- requests ----

def route(f):
    return plugin.http(f.__name__.replace("_", "."))(f)


def text(r, name):
    return r.tree.child(name).text


def whole(r, name):
    return int(text(r, name) or 0)


def texts(r, name):
    return [c.text for c in r.tree.child(name)]


class step:
    """Puts the step in front of an error."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        pass

    def __exit__(self, kind, e, trace):
        if isinstance(e, takhost.Error):
            raise takhost.Error(e.status, "%s: %s" % (self.name, e.message))


@route
def request(call, r):
    who = r.caller
    return fields(r.route, r.method, r.path, r.content_type, r.params.get("id", ""), r.query.get("q", ""), r.query.get("none", ""),
                  r.headers.get("x-a", ""), r.form.get("f", ""), r.body.decode(), who.user, who.name, *who.roles,
                  who.in_set, who.out_set, who.client, *who.via) + dump(r.tree)


@route
def response(call, r):
    return takhost.Response([takhost.Part(data=b"["), takhost.documents("seen", "by-kinds", is_=("a",)),
                             takhost.document("seen", "x"), takhost.Part(data=b"]")], 207, "text/x", {"x-a": "b", "x-ä": ""})


@route
def config(call, r):
    return fields(call.config["unit"], call.config["radius"])


@route
def clock(call, r):
    return fields(takhost.micros(call.now))


@route
def random(call, r):
    with step("random"):
        return fields(call.random(whole(r, "n")).hex())


@route
def log(call, r):
    for level in ("debug", "info", "warn", "error"):
        call.log(text(r, "message"), level, **{"as": level})


@route
def emit(call, r):
    audience = takhost.to(groups=texts(r, "groups"), all=text(r, "all") == "true", uids=texts(r, "uids"),
                          callsigns=texts(r, "callsigns"), topic=text(r, "topic"), set=whole(r, "set"), but=texts(r, "except"))
    audience.as_event = whole(r, "event")
    with step("emit"):
        call.emit(text(r, "xml"), audience, text(r, "fleeting") == "true")


@route
def timer_set(call, r):
    with step("timer"):
        call.set_timer(text(r, "name"), whole(r, "at"), whole(r, "every"), text(r, "data"))


@route
def timer_cancel(call, r):
    with step("timer"):
        call.cancel_timer(text(r, "name"))


@route
def clients(call, r):
    with step("clients"):
        return "".join(fields(c.uid, c.callsign, c.team, c.out_set, int(c.lat * 1000))
                       for c in call.clients(callsigns=texts(r, "callsigns")))


@route
def identity(call, r):
    with step("identity"):
        i = call.identity(text(r, "user"), whole(r, "set"), text(r, "serial"))
        return fields(i.user, i.name, *i.roles, i.in_set, i.out_set, *i.groups, i.certificate.hex(), *["revoked"] * i.revoked)


@route
def call(call, r):
    with step("call"):
        return fields(call.action(text(r, "name"), text(r, "body"), whole(r, "version")).decode())


@route
def fail(call, r):
    raise takhost.Error(takhost.STATUSES[whole(r, "status")], text(r, "message"), text(r, "code"))


def letters(n):
    return (b"abcdefghijklmnopqrstuvwxyz" * (n // 26 + 1))[:n]


@route
def large(call, r):
    return letters(whole(r, "n"))


@route
def sum_(call, r):
    body = r.body
    if text(r, "id"):
        with step("get"):
            body = call.get(text(r, "collection"), text(r, "id")).body
    return fields(len(body), sum(body))


plugin.http("sum")(sum_)


@route
def sick(call, r):
    state["sick"] = True


@route
def panic(call, r):
    raise RuntimeError("an author's mistake")


@route
def exit(call, r):
    os._exit(3)


@route
def spin(call, r):
    while True:
        pass


# ---- documents ----

def tuple_(node):
    """Reads values such as [{"int": "5"}]: a float is the number of its bits, bytes are hexadecimal digits."""
    read = {
        "bool": lambda t: t == "true", "int": int, "text": str, "bytes": bytes.fromhex,
        "float": lambda t: struct.unpack("<d", struct.pack("<Q", int(t)))[0],
        "time": lambda t: datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(microseconds=int(t)),
    }
    return tuple(read[v.name](v.text) for each in node for v in each)


@route
def put(call, r):
    with step("put"):
        call.put(text(r, "collection"), text(r, "id"), text(r, "body"), keys={n.name: tuple_(n) for n in r.tree.child("keys")},
                 set=whole(r, "set"), new=text(r, "new") == "true")


@route
def get(call, r):
    with step("get"):
        d = call.get(text(r, "collection"), text(r, "id"))
    if d is None:
        raise takhost.Error("not_found", "there is no " + text(r, "id"))
    return fields(d.id, d.body.decode(), d.revision)


@route
def delete(call, r):
    with step("delete"):
        return fields(str(call.delete(text(r, "collection"), text(r, "id"))).lower())


def range_(r):
    index, q = text(r, "index"), {}
    for name, arg in (("from", "from_"), ("before", "before"), ("is", "is_")):
        n = r.tree.child(name)
        if n:
            q[arg] = tuple_(n) if index else tuple_(n)[0]
    return index, q


@route
def query(call, r):
    index, q = range_(r)
    with step("query"):
        return "".join(fields(d.id, d.body.decode(), d.key.hex()) for d in call.query(
            text(r, "collection"), index, descending=text(r, "descending") == "true", limit=whole(r, "limit"), **q))


@route
def count(call, r):
    index, q = range_(r)
    with step("query"):
        return fields(call.count(text(r, "collection"), index, **q))


@route
def key(call, r):
    with step("put"):
        call.put("keys", "k", b"", keys={"any": tuple_(r.tree)})


@route
def counter(call, r):
    with step("counter"):
        return fields(call.next(text(r, "name")))


# ---- files ----

def ref(b):
    return fields(b.hash, b.size, b.content_type, b.name)


@route
def blob_put(call, r):
    with step("file"):
        return ref(call.put_file(letters(whole(r, "n")) or text(r, "data"), text(r, "name"), text(r, "type")))


@route
def blob_read(call, r):
    with step("file"):
        return fields(call.read_file(text(r, "hash"), whole(r, "offset"), whole(r, "length")).hex())


@route
def blob_stat(call, r):
    with step("file"):
        return ref(call.stat_file(text(r, "hash")))


@route
def blob_keep(call, r):
    with step("file"):
        call.keep_file(text(r, "hash"), text(r, "owner"))


@route
def blob_release(call, r):
    with step("file"):
        call.release_file(text(r, "hash"), text(r, "owner"))


@route
def blob_kept(call, r):
    with step("file"):
        return "".join(map(ref, call.kept_files(text(r, "owner"))))


@route
def zip_list(call, r):
    with step("file"):
        return "".join(fields(e.name, e.size) for e in call.zip_list(text(r, "hash")))


@route
def zip_entry(call, r):
    with step("file"):
        return ref(call.zip_entry(text(r, "hash"), text(r, "name")))


@route
def pack(call, r):
    files = {}
    for e in r.tree.child("entries"):
        hash, data = e.child("hash").text, e.child("data").text
        files[e.child("name").text] = takhost.BlobRef(hash=hash) if hash else data
    with step("file"):
        return ref(call.pack(text(r, "name"), files))


@route
def upload(call, r):
    """Says what came."""
    return fields(r.content_type, r.form.get("note", ""), str(r.message.read_only).lower()) + "".join(map(ref, r.blobs))


@route
def download(call, r):
    """Answers with a file, a piece of it from an offset on, or with several parts."""
    hash = r.query["hash"]
    if "mixed" in r.query:
        return takhost.Response([takhost.Part(data=b"["), takhost.blob(hash), takhost.Part(data=b"|"), takhost.blob_range(hash, 1, 2),
                                 takhost.Part(data=b"]")])
    if "offset" not in r.query:
        return takhost.Response([takhost.blob(hash, r.query.get("name", ""))])
    offset, length = int(r.query["offset"]), int(r.query["length"])
    with step("file"):
        size = call.stat_file(hash).size
    end = min(offset + length, size) if length > 0 else size
    return takhost.Response([takhost.blob_range(hash, offset, length)], 206,
                            headers={"Content-Range": "bytes %d-%d/%d" % (offset, end - 1, size)})


plugin.run()
