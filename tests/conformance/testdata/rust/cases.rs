//! The guest of cases_test.go in Rust: it shows what the crate reads and writes.

use tak::{Batch, Error, Request, Response, Result, Tree};

struct Cases;

impl tak::Plugin for Cases {
    const NAME: &'static str = "cases";
    const VERSION: &'static str = "1.0.0";

    fn init(_: &[u8]) -> Result<Self> {
        Ok(Cases)
    }

    /// Each event becomes a document with all that its view has.
    fn events(&mut self, batch: Batch) -> Result<()> {
        for v in batch.views() {
            let mut o = String::new();
            for n in [v.id(), v.recv(), v.time(), v.start(), v.stale()] {
                o += &format!("{n}|");
            }
            for n in [v.lat(), v.lon(), v.hae(), v.speed(), v.course()] {
                o += &format!("{}|", (n * 1000.0) as i64);
            }
            for i in [0, 5] {
                o += &format!("{}|", v.matched(i) as u8);
            }
            for s in [v.kind(), v.how(), v.callsign(), v.endpoint(), v.team(), v.role(), v.user(), v.client()] {
                o += &format!("{s}|");
            }
            let detail = v.detail().root();
            for c in detail.iter().flat_map(|d| d.children()) {
                o += &format!("{}|", c.name());
            }
            let contact = detail.and_then(|d| d.child("contact"));
            for name in ["callsign", "none"] {
                o += &format!("{}|", contact.and_then(|c| c.attr(name)).unwrap_or(""));
            }
            let remarks = detail.and_then(|d| d.child("remarks"));
            o += &format!("{}|", remarks.map_or("", |r| r.text()));
            o += &format!("{}|", remarks.map_or("", |r| r.raw()));
            o += &format!("{}|", v.xml().len());
            tak::put("seen", v.uid(), o)?;
        }
        Ok(())
    }

    fn http(&mut self, r: Request) -> Result<Response> {
        let mut o = String::new();
        let done = match r.route {
            "echo" => return Ok(echo(r)),
            "emit" => tak::emit_as("<event/>", 77).and_then(|_| tak::emit_group("<event2/>", "Blue")),
            "delete" => {
                let id = r.query("id").unwrap_or("");
                let deleted = tak::delete("seen", id).map(drop);
                o += if tak::get("seen", id)?.is_none() { "7|" } else { "0|" };
                deleted
            }
            "config" => {
                let tree = tak::config()?;
                let radius = Tree(&tree).root().and_then(|n| n.child("radius"));
                o += &format!("{}|{}|", radius.map_or("", |n| n.text()), tak::now()?);
                tak::log(tak::Level::Error, "looked at the config");
                Ok(())
            }
            "panic" => panic!("an author's mistake"),
            _ => Ok(()),
        };
        match done {
            Ok(()) => Ok(Response::new(o)),
            Err(e) => Err(Error::new(e.status, "not done")),
        }
    }
}

fn echo(r: Request) -> Response {
    let mut o = String::new();
    let body = std::str::from_utf8(r.body).unwrap_or("");
    for s in [r.method, r.path, r.param("id").unwrap_or(""), r.query("q").unwrap_or(""), r.query("none").unwrap_or(""), body] {
        o += &format!("{s}|");
    }
    let list = r.tree.root().and_then(|n| n.child("list"));
    for c in list.iter().flat_map(|l| l.children()) {
        o += &format!("{}|", c.text());
    }
    tak::push_json(&mut o, body);
    Response { status: 201, content_type: "text/plain".to_string(), body: o.into() }
}

tak::plugin!(Cases);
