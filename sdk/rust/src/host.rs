//! What a plugin asks of the host.

use crate::message::{Field, Reader, Writer};
use crate::{op, Error, Level, Result, Status};

#[link(wasm_import_module = "tak1")]
extern "C" {
    fn call(op: u32, p: *const u8, n: u32, answer: *mut u8, room: u32) -> u64;
    fn take(answer: *mut u8, room: u32) -> i32;
}

/// Asks an operation of the host.
pub fn host(op: u32, message: &[u8]) -> Result<Vec<u8>> {
    let mut answer = vec![0; 512];
    // The host reads and writes within the lengths it is given.
    let result = unsafe {
        call(
            op,
            message.as_ptr(),
            message.len() as u32,
            answer.as_mut_ptr(),
            answer.len() as u32,
        )
    };
    let n = result as u32 as usize;
    if n > answer.len() {
        answer.resize(n, 0);
        if unsafe { take(answer.as_mut_ptr(), n as u32) } != n as i32 {
            return Err(Error::new(Status::Failed, "the host's answer is gone"));
        }
    }
    answer.truncate(n);
    match Status::from_number((result >> 32) as u32) {
        Status::Ok => Ok(answer),
        status => {
            let message = Reader(&answer)
                .find(|f| f.number == 2)
                .map_or("", |f| f.text());
            Err(Error::new(status, message))
        }
    }
}

/// Writes one line to the server's log.
pub fn log(level: Level, message: &str) {
    let mut m = Writer::new();
    m.uint(1, level as u64).bytes(2, message);
    // A log that is full has nobody else to tell.
    let _ = host(op::LOG, &m.0);
}

/// The plugin's section of the config: a [`crate::Tree`].
pub fn config() -> Result<Vec<u8>> {
    host(op::CONFIG, &[])
}

/// The time: µs since 1970 UTC.
pub fn now() -> Result<i64> {
    let answer = host(op::CLOCK, &[])?;
    Ok(Reader(&answer)
        .find(|f| f.number == 1)
        .map_or(0, |f| f.value as i64))
}

/// A document as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    pub id: String,
    pub body: Vec<u8>,
    /// Rises with each write; 0: not committed yet.
    pub revision: u64,
}

/// A page of documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub documents: Vec<Document>,
    /// Where the next page begins; empty: there is none.
    pub next: String,
}

impl Page {
    fn read(b: &[u8]) -> Page {
        let mut page = Page::default();
        for f in Reader(b) {
            match f.number {
                1 => page.documents.push(document(f)),
                2 => page.next = f.text().to_string(),
                _ => {}
            }
        }
        page
    }
}

fn document(f: Field) -> Document {
    let mut d = Document::default();
    for f in Reader(f.bytes) {
        match f.number {
            2 => d.id = f.text().to_string(),
            3 => d.body = f.bytes.to_vec(),
            5 => d.revision = f.value,
            _ => {}
        }
    }
    d
}

/// Reads a document.
pub fn get(collection: &str, id: &str) -> Result<Option<Document>> {
    let mut m = Writer::new();
    m.bytes(1, collection).bytes(2, id);
    Ok(Page::read(&host(op::GET, &m.0)?).documents.pop())
}

/// Writes a document, whole.
pub fn put(collection: &str, id: &str, body: impl AsRef<[u8]>) -> Result<()> {
    let mut m = Writer::new();
    m.bytes(1, collection).bytes(2, id).bytes(3, body);
    host(op::PUT, &m.0).map(drop)
}

/// Removes a document, and says whether it was there.
pub fn delete(collection: &str, id: &str) -> Result<bool> {
    let mut m = Writer::new();
    m.bytes(1, collection).bytes(2, id);
    let answer = host(op::DELETE, &m.0)?;
    Ok(Reader(&answer).any(|f| f.number == 1 && f.value != 0))
}

/// Reads a page of documents in the order of their ids: up to `limit` of them, 0
/// is 100, behind `after`, which is empty or the `next` of the page before.
pub fn query(collection: &str, after: &str, limit: u32) -> Result<Page> {
    let mut m = Writer::new();
    m.bytes(1, collection).uint(6, limit.into()).bytes(7, after);
    Ok(Page::read(&host(op::QUERY, &m.0)?))
}

fn emit(xml: &str, audience: impl FnOnce(&mut Writer)) -> Result<()> {
    let mut m = Writer::new();
    m.message(1, |e| {
        e.bytes(1, xml).message(2, audience);
    });
    host(op::EMIT, &m.0).map(drop)
}

/// Sends an event to those who got, or may see, the event of an id.
pub fn emit_as(xml: &str, event: i64) -> Result<()> {
    emit(xml, |a| {
        a.uint(6, event as u64);
    })
}

/// Sends an event to everybody who may see a group.
pub fn emit_group(xml: &str, group: &str) -> Result<()> {
    emit(xml, |a| {
        a.bytes(1, group);
    })
}
