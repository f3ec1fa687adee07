//! The conformance guest in Rust; package conformance has the cases.

use tak::{op, Batch, Error, Node, Part, Reader, Refused, Request, Response, Result, Status, Tree, View, Writer};

mod files;
mod store;
use store::*;

/// What the one instance remembers.
#[derive(Default)]
struct Conform {
    version: String,
    handled: u64,
    sick: bool,
}

/// Text that the cases compare: fields with a bar behind each.
#[macro_export]
macro_rules! fields {
    ($o:expr, $($f:expr),*) => {{ $( $o.push_str(&format!("{}|", $f)); )* }};
}

/// Writes a tree: kind, name, attributes, text, and the nodes below.
fn dump(o: &mut String, node: Option<Node>) {
    let n = match node {
        Some(n) => n,
        None => return *o += "0:{}",
    };
    *o += &format!("{}:{}{{", n.kind() as u8, n.name());
    for name in ["callsign", "name", "role", "empty", "none"] {
        if let Some(value) = n.attr(name) {
            *o += &format!("{name}={value},");
        }
    }
    *o += &format!("}}{}", n.text());
    for c in n.children() {
        *o += "[";
        dump(o, Some(c));
        *o += "]";
    }
}

fn configure(input: &[u8]) -> Result<()> {
    let (mut head, mut tail) = (["", "", ""], String::new());
    let (mut config, mut role, mut node): (&[u8], u64, u64) = (&[], 0, 0);
    for f in Reader(input) {
        match f.number {
            1 | 2 => head[f.number as usize - 1] = f.text(),
            3 => config = f.bytes,
            4 => Reader(f.bytes).filter(|g| g.number < 3).for_each(|g| fields!(tail, g.text())),
            5 => role = f.value,
            6 => node = f.value,
            7 => head[2] = f.text(),
            8 | 9 | 10 => fields!(tail, f.text()),
            _ => {}
        }
    }
    let root = Tree(config).root();
    let member = |name| root.and_then(|n| n.child(name));
    if let Some(why) = member("refuse") {
        return Err(Error::new(Status::Invalid, format!("config.refuse: {}", why.text())));
    }
    let mut o = String::new();
    fields!(o, head[0], head[1], member("unit").map_or("", |n| n.text()), member("radius").map_or("", |n| n.text()));
    fields!(o, member("list").map_or(0, |n| n.children().count()), role, node as i32, head[2]);
    tak::put("state", "config", o + &tail)
}

fn facts(b: &Batch, v: &View) -> String {
    let mut o = String::new();
    fields!(o, b.attempt(), b.missed(), b.delivery(), v.id(), v.recv(), v.time(), v.start(), v.stale());
    for d in [v.lat(), v.lon(), v.hae(), v.ce(), v.le(), v.speed(), v.course()] {
        fields!(o, d.to_bits());
    }
    let matched = (0..32).filter(|&i| v.matched(i)).fold(0u32, |m, i| m | 1 << i);
    fields!(o, v.connection(), v.groups(), v.flags(), v.node(), v.origin(), v.hops(), matched);
    fields!(o, v.uid(), v.kind(), v.how(), v.callsign(), v.endpoint(), v.team(), v.role(), v.user(), v.client());
    for (kind, value) in v.dests() {
        fields!(o, kind, value);
    }
    let detail = v.detail().root();
    dump(&mut o, detail);
    fields!(o, "", detail.and_then(|d| d.child("remarks")).map_or("", |r| r.raw()), v.xml());
    o
}

impl tak::Plugin for Conform {
    const NAME: &'static str = "conform";
    const VERSION: &'static str = "1.0.0";

    fn init(init: &[u8]) -> Result<Self> {
        configure(init)?;
        let version = Reader(init).find(|f| f.number == 2).map_or("", |f| f.text());
        Ok(Conform { version: version.to_string(), ..Conform::default() })
    }

    fn health(&mut self) -> Result<()> {
        match self.sick {
            true => Err(Error::new(Status::Retry, "sick since the request")),
            false => Ok(()),
        }
    }

    fn batch(&mut self, batch: Batch) -> Result<Vec<Refused>> {
        let mut refused = Vec::new();
        for (i, v) in batch.views().enumerate() {
            self.handled += 1;
            let why = match v.kind() {
                "x-refuse" => Error::new(Status::Invalid, "not this one"),
                "x-retry" => Error::new(Status::Retry, "not now"),
                _ => {
                    put_document("seen", v.uid(), facts(&batch, &v).as_bytes(), v.groups().into(), false, None)?;
                    if v.kind() == "x-late" {
                        return Err(Error::new(Status::Retry, "after an effect"));
                    }
                    continue;
                }
            };
            refused.push(Refused { event: i as u32, why });
        }
        Ok(refused)
    }

    fn http(&mut self, r: Request) -> Result<Response> {
        if let Some(answer) = files::http(&r) {
            return answer;
        }
        let mut o = String::new();
        match r.route {
            "request" => request(&mut o, &r),
            "config" => {
                let tree = tak::config()?;
                for name in ["unit", "radius"] {
                    fields!(o, Tree(&tree).root().and_then(|n| n.child(name)).map_or("", |n| n.text()));
                }
            }
            "clock" => fields!(o, tak::now()?),
            "random" => fields!(o, hex(&step("random", tak::host(op::RANDOM, &Writer::new().uint(1, whole(&r, "n") as u64).0))?)),
            "log" => {
                use tak::Level::*;
                [Debug, Info, Warn, Error].iter().for_each(|&level| tak::log(level, arg(&r, "message")));
            }
            "put" => step("put", put_document(arg(&r, "collection"), arg(&r, "id"), arg(&r, "body").as_bytes(),
                whole(&r, "set"), arg(&r, "new") == "true", member(&r, "keys")))?,
            "get" => match step("get", tak::get(arg(&r, "collection"), arg(&r, "id")))? {
                Some(d) => fields!(o, d.id, String::from_utf8_lossy(&d.body), d.revision),
                None => return Err(Error::new(Status::NotFound, format!("there is no {}", arg(&r, "id")))),
            },
            "delete" => fields!(o, step("delete", tak::delete(arg(&r, "collection"), arg(&r, "id")))?),
            "query" => step("query", query(&mut o, &r))?,
            "count" => step("query", count(&mut o, &r))?,
            "key" => {
                let key = tuple(r.tree.root());
                step("put", put_keyed("keys", "k", &[], 0, false, &[("any", key)]))?
            }
            "counter" => {
                let answer = step("counter", tak::host(op::COUNTER, &Writer::new().bytes(1, arg(&r, "name")).0))?;
                fields!(o, number(&answer, 1))
            }
            "emit" => step("emit", emit(&r))?,
            "timer.set" => {
                let mut m = Writer::new();
                m.bytes(1, arg(&r, "name")).uint(2, whole(&r, "at") as u64).uint(3, whole(&r, "every") as u64);
                m.bytes(4, arg(&r, "data"));
                step("timer", tak::host(0x70, &m.0)).map(drop)?
            }
            "timer.cancel" => step("timer", tak::host(0x71, &Writer::new().bytes(1, arg(&r, "name")).0)).map(drop)?,
            "clients" => clients(&mut o, &r)?,
            "identity" => identity(&mut o, &r)?,
            "call" => {
                let mut m = Writer::new();
                m.bytes(1, arg(&r, "name")).uint(2, whole(&r, "version") as u64).bytes(3, arg(&r, "body"));
                let answer = step("call", tak::host(0xb0, &m.0))?;
                fields!(o, Reader(&answer).find(|f| f.number == 1).map_or("", |f| f.text()))
            }
            "fail" => return Err(Error::new(status(whole(&r, "status")), arg(&r, "message"))),
            "large" => return Ok(Response::new(letters(whole(&r, "n")))),
            "response" => return Ok(response()),
            "sum" => {
                let mut body = r.body.to_vec();
                if !arg(&r, "id").is_empty() {
                    body = step("get", tak::get(arg(&r, "collection"), arg(&r, "id")))?.map_or(body, |d| d.body);
                }
                fields!(o, body.len(), body.iter().map(|&b| u64::from(b)).sum::<u64>());
            }
            "sick" => self.sick = true,
            "panic" => panic!("an author's mistake"),
            "spin" => loop {},
            _ => return Err(Error::new(Status::Unsupported, "there is no such route")),
        }
        Ok(Response::new(o))
    }

    fn other(&mut self, op: u32, input: &[u8]) -> Result<Vec<u8>> {
        match op {
            6 => tick(input),
            7 => {
                let mut m = Writer::new();
                m.bytes(1, &self.version);
                m.message(2, |e| drop(e.bytes(1, "handled").bytes(2, format!("{}|", self.handled))));
                m.message(2, |e| drop(e.bytes(1, [0, 0xff]).bytes(2, [0, 1])));
                Ok(m.0)
            }
            8 => {
                let mut o = String::new();
                for f in Reader(input) {
                    match f.number {
                        1 => fields!(o, f.text()),
                        2 => {
                            let (key, value) = (bytes(f.bytes, 1), bytes(f.bytes, 2));
                            if key == b"handled" {
                                self.handled = String::from_utf8_lossy(value).trim_end_matches('|').parse().unwrap_or(0);
                            }
                            fields!(o, hex(key), hex(value));
                        }
                        _ => {}
                    }
                }
                tak::put("state", "restored", o).map(|()| Vec::new())
            }
            9 => configure(input).map(|()| Vec::new()),
            11 => reindex(input),
            12 => filter(input),
            13 => add(input),
            14 => clients_changed(input),
            _ => Err(Error::new(Status::Unsupported, "there is no such operation")),
        }
    }
}

/// An answer of several parts.
fn response() -> Response {
    let key = tak::Key::new().text("a");
    let mut range = Writer::new();
    range.message(3, |m| {
        m.message(1, |q| drop(q.bytes(1, "seen").bytes(2, "by-kinds").bytes(3, &key.0).bytes(4, key.after().0))).bytes(2, ",");
    });
    let parts = [Part::data("["), Part(range.0), Part::document("seen", "x"), Part::data("]")];
    Response { status: 207, content_type: "text/x".to_string(), ..Response::of(parts) }.header("x-a", "b").header("x-ä", "")
}

fn request(o: &mut String, r: &Request) {
    fields!(o, r.route, r.method, r.path, r.content_type);
    fields!(o, r.param("id").unwrap_or(""), r.query("q").unwrap_or(""), r.query("none").unwrap_or(""));
    fields!(o, r.header("x-a").unwrap_or(""), r.form("f").unwrap_or(""), std::str::from_utf8(r.body).unwrap_or(""));
    let who = bytes(r.message, 7);
    fields!(o, text(who, 1), text(who, 2));
    Reader(who).filter(|f| f.number == 3).for_each(|f| fields!(o, f.text()));
    fields!(o, number(who, 4), number(who, 5), text(who, 6));
    Reader(who).filter(|f| f.number == 10).for_each(|f| fields!(o, f.text()));
    dump(o, r.tree.root());
}

fn emit(r: &Request) -> Result<()> {
    let mut m = Writer::new();
    m.message(1, |e| {
        e.bytes(1, arg(r, "xml")).message(2, |a| {
            for (field, name) in [(1, "groups"), (3, "uids"), (4, "callsigns"), (8, "except")] {
                for c in member(r, name).iter().flat_map(|n| n.children()) {
                    a.bytes(field, c.text());
                }
            }
            a.uint(2, (arg(r, "all") == "true").into()).bytes(5, arg(r, "topic"));
            a.uint(6, whole(r, "event") as u64).uint(7, whole(r, "set") as u64);
        });
        e.uint(3, (arg(r, "fleeting") == "true").into());
    });
    tak::host(op::EMIT, &m.0).map(drop)
}

fn clients(o: &mut String, r: &Request) -> Result<()> {
    let mut m = Writer::new();
    for c in member(r, "callsigns").iter().flat_map(|n| n.children()) {
        m.bytes(2, c.text());
    }
    for f in Reader(&step("clients", tak::host(0x40, &m.0))?).filter(|f| f.number == 1) {
        let c = f.bytes;
        fields!(o, text(c, 1), text(c, 2), text(c, 4), number(c, 7), (f64::from_bits(number(c, 16) as u64) * 1000.0) as i64);
    }
    Ok(())
}

fn identity(o: &mut String, r: &Request) -> Result<()> {
    let mut m = Writer::new();
    m.bytes(1, arg(r, "user")).uint(2, whole(r, "set") as u64).bytes(3, arg(r, "serial"));
    let is = step("identity", tak::host(0x50, &m.0))?;
    fields!(o, text(&is, 1), text(&is, 2));
    Reader(&is).filter(|f| f.number == 3).for_each(|f| fields!(o, f.text()));
    fields!(o, number(&is, 4), number(&is, 5));
    Reader(&is).filter(|f| f.number == 6).for_each(|f| fields!(o, f.text()));
    fields!(o, bytes(&is, 7).iter().map(|b| format!("{b:02x}")).collect::<String>());
    if number(&is, 8) != 0 {
        fields!(o, "revoked");
    }
    Ok(())
}

fn tick(input: &[u8]) -> Result<Vec<u8>> {
    if text(input, 1) != "tick" {
        return Err(Error::new(Status::Unsupported, "there is no such timer"));
    }
    let mut o = String::new();
    fields!(o, number(input, 2), number(input, 3), text(input, 4));
    tak::put("ticks", "tick", o).map(|()| Vec::new())
}

fn reindex(input: &[u8]) -> Result<Vec<u8>> {
    let wanted = |name: &str| Reader(input).any(|f| f.number == 2 && f.text() == name);
    let mut m = Writer::new();
    for d in Reader(input).filter(|f| f.number == 1) {
        let keys = [
            ("by-id", tak::Key::new().text(text(d.bytes, 2))),
            ("by-size", tak::Key::new().int(bytes(d.bytes, 3).len() as i64)),
        ];
        m.message(1, |d| {
            for (index, key) in keys.iter().filter(|k| wanted(k.0)) {
                d.message(1, |k| drop(k.bytes(1, index).bytes(2, &key.0)));
            }
        });
    }
    Ok(m.0)
}

fn filter(input: &[u8]) -> Result<Vec<u8>> {
    let mut m = Writer::new();
    match Batch(input).views().next().map_or("", |v| v.kind()) {
        "x-drop" => drop(m.uint(1, 1).bytes(3, "dropped")),
        "x-replace" => drop(m.uint(1, 2).bytes(2, "<event/>").bytes(3, "changed")),
        "x-refuse" => return Err(Error::new(Status::Failed, "not this one")),
        _ => {}
    }
    Ok(m.0)
}

/// Gives the sum of the numbers of its body's bytes, and who asks.
fn add(input: &[u8]) -> Result<Vec<u8>> {
    if text(input, 1) != "add" {
        return Err(Error::new(Status::Unsupported, "there is no such action"));
    }
    let (mut o, who) = (String::new(), bytes(input, 5));
    fields!(o, bytes(input, 3).iter().map(|&b| u64::from(b)).sum::<u64>(), number(input, 2), text(who, 1));
    Reader(who).filter(|f| f.number == 10).for_each(|f| fields!(o, f.text()));
    let mut m = Writer::new();
    m.bytes(1, o);
    Ok(m.0)
}

fn clients_changed(input: &[u8]) -> Result<Vec<u8>> {
    for f in Reader(input).filter(|f| f.number == 1) {
        let (mut o, c) = (String::new(), bytes(f.bytes, 2));
        fields!(o, number(f.bytes, 1), number(f.bytes, 3), text(c, 2), number(c, 7));
        tak::put("clients", text(c, 1), o)?;
    }
    Ok(Vec::new())
}

tak::plugin!(Conform);
