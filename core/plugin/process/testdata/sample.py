"""A plugin that shows what sdk/python makes of what it is given."""
import datetime
import os
import sys
import threading

import takhost
from takhost import to, when

print("this is no handshake")
plugin = takhost.Plugin("sample", "1.2.3")


def tree(node):
    return {"kind": node.kind, "name": node.name, "text": node.text, "raw": node.raw, "attrs": node.attrs,
            "children": [tree(c) for c in node]}


@plugin.init
def init(call, start):
    if "refuse" in call.config:
        raise takhost.Error("invalid", "config.refuse: " + call.config["refuse"], "config")


@plugin.events
def events(call, e):
    if e.callsign == "REFUSED":
        raise takhost.Error("invalid", "not this one")
    facts = {name: getattr(e, name) for name in (
        "id", "recv", "time", "start", "stale", "lat", "lon", "hae", "ce", "le", "speed", "course", "connection",
        "groups", "flags", "node", "hops", "matched", "uid", "type", "how", "callsign", "endpoint", "team", "role",
        "user", "client", "xml", "origin")}
    facts.update(dests=[list(d) for d in e.dests], detail=tree(e.detail), missing=tree(e.detail.child("none")),
                 batch=[call.batch.attempt, call.batch.missed, call.batch.delivery, len(call.batch)])
    call.put("seen", e.uid, facts, keys={"by-time": [when(e.recv), e.lat, e.callsign, e.groups > 0]}, set=e.groups)
    if e.callsign == "LATE":
        raise takhost.Error("retry", "after an effect")


@plugin.http("show")
def show(call, r):
    return {"method": r.method, "path": r.path, "params": r.params, "query": r.query, "headers": r.headers,
            "form": r.form, "body": r.body.decode(), "json": r.json, "caller": r.caller.user,
            "roles": r.caller.roles, "config": call.config, "name": call.start.name}


@plugin.http("answer")
def answer(call, r):
    return takhost.Response([takhost.Part(data=b"["), takhost.documents("seen", "by-time", is_=(when(5),)),
                             takhost.document("seen", "x"), takhost.Part(data=b"]")], 201, "text/x", {"x-a": "b"})


@plugin.http("keys")
def keys(call, r):
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, datetime.timezone.utc)
    tuples = [(True, False), (0, 1, -1), (2 ** 63 - 1, -2 ** 63), (0.0, -0.0, 1.5, -2.5e300), ("a\0b", b"\0\xff", ""),
              (moment, when(-1))]
    for t in tuples:
        assert takhost.values(takhost.key(*t)) == t, t
    return [takhost.key(*t).hex() for t in tuples]


@plugin.http("ask")
def ask(call, r):
    call.log("a line", "warn", n=1)
    call.metric("laps", 2.5, "gauge", team="red")
    call.emit(takhost.cot("u<1>", "a-f-G", 48.5, -11.25, callsign='"A"', detail="<x/>", time=when(1_000_000)),
              to(groups=["Blue"], but=["me"]), fleeting=True)
    call.set_timer("t", at=when(7), every=datetime.timedelta(seconds=30), data=b"d")
    call.publish("s", {"a": 1}, to(all=True), key="k")
    answers = [call.now.isoformat(), call.random(4).hex(), call.next("n"), call.delete("seen", "x"),
               [d.id for d in call.query("seen", "by-time", from_=("a",), before=("b",), descending=True)],
               call.count("seen"), call.get("seen", "x").json(), call.get("seen", "none") is not None,
               [e.uid for e in call.events(types=["a-*"], from_=when(3), limit=1)],
               [c.uid for c in call.clients(callsigns=["A"])],
               call.fetch("POST", "https://h/", {"a": "b"}, b"x", timeout=datetime.timedelta(seconds=1)).status,
               call.action("chat.send", {"a": 1}, 2).decode()]
    try:
        call.put("seen", "taken", b"", new=True)
    except takhost.Error as e:
        answers.append([e.status, e.code, e.message, e.details])
    return answers


@plugin.http("files")
def files(call, r):
    b = call.put_file("text", "n.txt", "text/plain")
    call.keep_file(b.hash, "o")
    call.release_file(b.hash, "p")
    return [b.hash, call.read_file("h", 3, 4).decode(), call.stat_file("h").size, [k.name for k in call.kept_files("o")],
            [[e.name, e.size] for e in call.zip_list("h")], call.zip_entry("h", "a/b").hash, call.pack("p.zip", {"a": b, "b": b"x"}).hash]


@plugin.http("pieces")
def pieces(call, r):
    head = takhost.Part(data=(call.start.node_id + call.base_url("http") + call.base_url("web")).encode())
    return [head, takhost.blob_range("h", 3, 4), takhost.blob_range("h", 5), takhost.blob("h", "n.txt")]


@plugin.http("threads")
def threads(call, r):
    right = []

    def one(n):
        if call.random(n) == b"r" * n:
            right.append(n)
    all = [threading.Thread(target=one, args=(n,)) for n in range(50)]
    for t in all:
        t.start()
    for t in all:
        t.join()
    return len(right)


@plugin.http("late")
def late(call, r):
    def go_on():
        while True:
            try:
                call.random(1)
            except takhost.Error as e:
                results.append("%s %s" % (e.status, e.code))
                done.set()
                return
    results.clear()
    threading.Thread(target=go_on).start()


results, done = [], threading.Event()


@plugin.http("result")
def result(call, r):
    done.wait()
    return results


@plugin.http("raise")
def fail(call, r):
    return {}["no such key"]


@plugin.http("exit")
def leave(call, r):
    print("last words")
    sys.stdout.flush()
    os._exit(4)


@plugin.http("env")
def env(call, r):
    return dict(os.environ)


@plugin.timer("tick*")
def tick(call, t):
    call.put("ticks", t.name, [t.due, t.missed, t.data.decode()])


@plugin.action("add")
def add(call, a):
    return {"sum": sum(takhost.Node(a.tree).value()), "by": call.caller.user}


@plugin.clients
def clients(call, change):
    call.put("clients", change.client.uid, {"kind": change.kind, "at": change.at})


@plugin.snapshot
def snapshot(call):
    return {b"a": b"1", "b": "2"}


@plugin.restore
def restore(call, version, state):
    call.put("restored", version, {k.decode(): v.decode() for k, v in state.items()})


@plugin.reindex
def reindex(call, d):
    return {"by-id": [d.id], "other": [1]}


plugin.run()
