//! Counts the events that pass, by their CoT type, and shows the counts at a
//! route. The counts are documents of the collection "counts": the id is the
//! type, the body the number in decimal digits.

use std::collections::BTreeMap;

use tak::{push_json, Batch, Error, Level, Request, Response, Result, Status};

const COUNTS: &str = "counts";

struct Counter;

impl tak::Plugin for Counter {
    const NAME: &'static str = "rust-counter";
    const VERSION: &'static str = "1.0.0";

    fn init(_: &[u8]) -> Result<Self> {
        Ok(Counter)
    }

    fn events(&mut self, batch: Batch) -> Result<()> {
        let mut seen = BTreeMap::new();
        for v in batch.views() {
            *seen.entry(v.kind()).or_insert(0u64) += 1;
        }
        for (kind, n) in seen {
            let before = match tak::get(COUNTS, kind)? {
                Some(d) => number(&d.body),
                None => 0,
            };
            tak::put(COUNTS, kind, (before + n).to_string())?;
        }
        Ok(())
    }

    fn http(&mut self, request: Request) -> Result<Response> {
        match request.route {
            "counts" => counts(),
            _ => Err(Error::new(Status::NotFound, "there is no such route")),
        }
    }
}

fn number(body: &[u8]) -> u64 {
    let n = std::str::from_utf8(body).ok().and_then(|s| s.parse().ok());
    n.unwrap_or_else(|| {
        tak::log(Level::Warn, "a count is no number: it starts again");
        0
    })
}

/// GET /api/plugins/rust-counter/counts: {"counts":{"a-f-G-U-C":12,...}}
fn counts() -> Result<Response> {
    let mut body = String::from("{\"counts\":{");
    let mut after = String::new();
    let mut comma = "";
    loop {
        let page = tak::query(COUNTS, &after, 0)?;
        for d in &page.documents {
            body.push_str(comma);
            push_json(&mut body, &d.id);
            body.push(':');
            body.push_str(std::str::from_utf8(&d.body).unwrap_or("0"));
            comma = ",";
        }
        if page.next.is_empty() {
            body.push_str("}}");
            return Ok(Response::new(body));
        }
        after = page.next;
    }
}

tak::plugin!(Counter);
