//! Files.

use tak::blob::{self, BlobRef, Content, PackEntry};
use tak::{Error, Part, Request, Response, Result, Status};

use crate::fields;
use crate::store::*;

fn fields_of(o: &mut String, b: &BlobRef) {
    fields!(o, b.hash, b.size, b.content_type, b.name);
}

/// What an operation gave.
fn gave(b: Result<BlobRef>) -> Result<String> {
    let mut o = String::new();
    fields_of(&mut o, &b?);
    Ok(o)
}

/// Answers the routes that are about files.
pub fn http(r: &Request) -> Option<Result<Response>> {
    if r.route == "download" {
        return Some(download(r));
    }
    route(r).map(|answer| step("file", answer).map(Response::new))
}

fn route(r: &Request) -> Option<Result<String>> {
    let (hash, name, owner) = (arg(r, "hash"), arg(r, "name"), arg(r, "owner"));
    Some(match r.route {
        "blob.put" => match whole(r, "n") {
            0 => gave(blob::put(name, arg(r, "type"), arg(r, "data"))),
            n => gave(blob::put(name, arg(r, "type"), letters(n))),
        },
        "blob.read" => blob::read(hash, whole(r, "offset"), whole(r, "length") as u32).map(|b| hex(&b) + "|"),
        "blob.stat" => gave(blob::stat(hash)),
        "blob.keep" => blob::keep(hash, owner).map(|()| String::new()),
        "blob.release" => blob::release(hash, owner).map(|()| String::new()),
        "blob.kept" => blob::kept(owner).map(|kept| {
            let mut o = String::new();
            kept.iter().for_each(|b| fields_of(&mut o, b));
            o
        }),
        "zip.list" => blob::zip_list(hash).map(|entries| entries.iter().map(|e| format!("{}|{}|", e.name, e.size)).collect()),
        "zip.entry" => gave(blob::zip_entry(hash, name)),
        "pack" => gave(pack(r)),
        "upload" => {
            let mut o = String::new();
            fields!(o, r.content_type, r.form("note").unwrap_or(""), r.read_only);
            r.blobs().for_each(|b| fields_of(&mut o, &b));
            Ok(o)
        }
        _ => return None,
    })
}

fn pack(r: &Request) -> Result<BlobRef> {
    let mut entries = Vec::new();
    for e in member(r, "entries").iter().flat_map(|n| n.children()) {
        let of = |name| e.child(name).map_or("", |n| n.text());
        let content = match of("hash") {
            "" => Content::Data(of("data").as_bytes()),
            hash => Content::Blob(hash),
        };
        entries.push(PackEntry { name: of("name"), content });
    }
    blob::pack(arg(r, "name"), &entries)
}

/// Answers with a file, a piece of it from an offset on, or with several parts.
fn download(r: &Request) -> Result<Response> {
    let hash = r.query("hash").unwrap_or("");
    let number = |name| r.query(name).map(|n| n.parse::<i64>().map_err(|_| Error::new(Status::Invalid, "no number")));
    if r.query("mixed").is_some() {
        let parts = [Part::data("["), Part::blob(hash, ""), Part::data("|"), Part::blob_range(hash, 1, 2), Part::data("]")];
        return Ok(Response::of(parts));
    }
    let offset = match number("offset") {
        Some(offset) => offset?,
        None => return Ok(Response::of([Part::blob(hash, r.query("name").unwrap_or(""))])),
    };
    let length = number("length").unwrap_or(Ok(0))?;
    let size = step("file", blob::stat(hash))?.size;
    let end = if length > 0 { size.min(offset.saturating_add(length)) } else { size };
    let mut answer = Response::of([Part::blob_range(hash, offset, length)]);
    answer.status = 206;
    Ok(answer.header("Content-Range", format!("bytes {}-{}/{}", offset, end - 1, size)))
}
