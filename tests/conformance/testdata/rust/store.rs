//! Documents, and the readers that the rest uses.

use tak::{op, Error, Key, Node, Reader, Request, Result, Status, Writer};

use crate::fields;

/// Fields of a message.
pub fn bytes(m: &[u8], field: u32) -> &[u8] {
    Reader(m).filter(|f| f.number == field).last().map_or(&[], |f| f.bytes)
}

pub fn text(m: &[u8], field: u32) -> &str {
    std::str::from_utf8(bytes(m, field)).unwrap_or("")
}

pub fn number(m: &[u8], field: u32) -> i64 {
    Reader(m).filter(|f| f.number == field).last().map_or(0, |f| f.value as i64)
}

/// Members of a request's JSON.
pub fn member<'a>(r: &Request<'a>, name: &str) -> Option<Node<'a>> {
    r.tree.root().and_then(|n| n.child(name))
}

pub fn arg<'a>(r: &Request<'a>, name: &str) -> &'a str {
    member(r, name).map_or("", |n| n.text())
}

pub fn whole(r: &Request, name: &str) -> i64 {
    arg(r, name).parse().unwrap_or(0)
}

pub fn hex(b: &[u8]) -> String {
    b.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn letters(n: i64) -> Vec<u8> {
    (0..n).map(|i| b'a' + (i % 26) as u8).collect()
}

/// Puts the step in front of an error.
pub fn step<T>(name: &str, r: Result<T>) -> Result<T> {
    r.map_err(|e| Error::new(e.status, format!("{name}: {}", e.message)))
}

pub fn status(n: i64) -> Status {
    use Status::*;
    let all = [Ok, Retry, Failed, Invalid, Forbidden, Limit, Unsupported, NotFound, Conflict, Gone];
    all.get(n as usize).copied().unwrap_or(Failed)
}

/// Reads values such as [{"int": "5"}]: a float is the number of its bits, bytes are
/// hexadecimal digits.
pub fn tuple(node: Option<Node>) -> Key {
    let mut key = Key::new();
    for v in node.iter().flat_map(|n| n.children()).filter_map(|each| each.children().next()) {
        let t = v.text();
        key = match v.name() {
            "bool" => key.bool(t == "true"),
            "int" => key.int(t.parse().unwrap_or(0)),
            "float" => key.float(f64::from_bits(t.parse().unwrap_or(0))),
            "time" => key.time(t.parse().unwrap_or(0)),
            "text" => key.text(t),
            "bytes" => {
                let digits = |i| t.get(i..i + 2).and_then(|d| u8::from_str_radix(d, 16).ok());
                key.bytes(&(0..t.len()).step_by(2).filter_map(digits).collect::<Vec<u8>>())
            }
            _ => key,
        };
    }
    key
}

pub fn put_document(collection: &str, id: &str, body: &[u8], set: i64, new: bool, keys: Option<Node>) -> Result<()> {
    let keys: Vec<_> = keys.iter().flat_map(|n| n.children()).map(|n| (n.name(), tuple(Some(n)))).collect();
    put_keyed(collection, id, body, set, new, &keys)
}

pub fn put_keyed(collection: &str, id: &str, body: &[u8], set: i64, new: bool, keys: &[(&str, Key)]) -> Result<()> {
    let mut m = Writer::new();
    m.bytes(1, collection).bytes(2, id).bytes(3, body);
    for (index, key) in keys {
        m.message(4, |k| drop(k.bytes(1, index).bytes(2, &key.0)));
    }
    m.uint(5, set as u64).uint(6, new.into());
    tak::host(op::PUT, &m.0).map(drop)
}

/// The bounds of a query: keys, or ids.
fn range(r: &Request) -> Writer {
    let index = arg(r, "index");
    let mut m = Writer::new();
    m.bytes(1, arg(r, "collection")).bytes(2, index);
    for (name, from, to) in [("from", true, false), ("before", false, true), ("is", true, true)] {
        let node = match member(r, name) {
            Some(node) => node,
            None => continue,
        };
        let id = node.children().next().and_then(|v| v.children().next()).map_or("", |v| v.text());
        let mut key = if index.is_empty() { Key(id.as_bytes().to_vec()) } else { tuple(Some(node)) };
        if from {
            m.bytes(3, &key.0);
        }
        if from && to {
            key = if index.is_empty() { Key([&key.0[..], &[0]].concat()) } else { key.after() };
        }
        if to {
            m.bytes(4, &key.0);
        }
    }
    m
}

pub fn query(o: &mut String, r: &Request) -> Result<()> {
    let mut after = String::new();
    loop {
        let mut m = range(r);
        m.uint(5, (arg(r, "descending") == "true").into()).uint(6, whole(r, "limit") as u64).bytes(7, &after);
        let page = tak::host(op::QUERY, &m.0)?;
        for d in Reader(&page).filter(|f| f.number == 1) {
            fields!(o, text(d.bytes, 2), text(d.bytes, 3), hex(bytes(d.bytes, 8)));
        }
        after = text(&page, 2).to_string();
        if after.is_empty() {
            return Ok(());
        }
    }
}

pub fn count(o: &mut String, r: &Request) -> Result<()> {
    let answer = tak::host(op::QUERY, &range(r).uint(10, 1).0)?;
    fields!(o, number(&answer, 3));
    Ok(())
}
