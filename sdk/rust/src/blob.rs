//! Files, whose bytes stay with the host.
//!
//! A file is known by its SHA-256 in lower-case hexadecimal digits. Whoever has the
//! hash may read it, so ask who the caller is before a hash that he sent is used.
//!
//! Writing one is not staged, keeping one is. A file that nobody keeps is removed an
//! hour after it was written or given up; at once with a call that fails.

use crate::message::{Field, Reader, Writer};
use crate::{host, op, Result};

/// Bytes of a file that are written at once, at most.
pub const MAX_PUT: usize = 1 << 20;
/// Bytes of a file that are read at once, at most.
pub const MAX_READ: u32 = 256 << 10;

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobRef {
    pub hash: String,
    /// Bytes.
    pub size: i64,
    /// As whoever wrote it said, and so the name.
    pub content_type: String,
    pub name: String,
}

impl BlobRef {
    pub(crate) fn read(message: &[u8]) -> BlobRef {
        let mut b = BlobRef::default();
        for f in Reader(message) {
            match f.number {
                1 => b.hash = f.text().to_string(),
                2 => b.size = f.value as i64,
                3 => b.content_type = f.text().to_string(),
                4 => b.name = f.text().to_string(),
                _ => {}
            }
        }
        b
    }
}

/// A file of a zip archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZipEntry {
    pub name: String,
    /// Bytes, unpacked.
    pub size: i64,
}

/// A file of an archive that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackEntry<'a> {
    pub name: &'a str,
    pub content: Content<'a>,
}

/// What is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A file of the store, by its hash.
    Blob(&'a str),
    Data(&'a [u8]),
}

fn one(op: u32, m: &Writer) -> Result<BlobRef> {
    host(op, &m.0).map(|answer| BlobRef::read(&answer))
}

/// The messages of a repeated field.
fn each<T>(answer: &[u8], read: impl FnMut(Field) -> T) -> Vec<T> {
    Reader(answer).filter(|f| f.number == 1).map(read).collect()
}

/// Writes a file of up to [`MAX_PUT`] bytes.
pub fn put(name: &str, content_type: &str, data: impl AsRef<[u8]>) -> Result<BlobRef> {
    let mut m = Writer::new();
    m.bytes(1, data).bytes(2, content_type).bytes(3, name);
    one(op::BLOB_PUT, &m)
}

/// Reads up to `length` bytes, [`MAX_READ`] at most, from an offset on; fewer at the
/// end of the file.
pub fn read(hash: &str, offset: i64, length: u32) -> Result<Vec<u8>> {
    let mut m = Writer::new();
    m.bytes(1, hash)
        .uint(2, offset as u64)
        .uint(3, length.into());
    host(op::BLOB_READ, &m.0)
}

/// Tells about a file. When there is none the error has the status NotFound.
pub fn stat(hash: &str) -> Result<BlobRef> {
    one(op::BLOB_STAT, Writer::new().bytes(1, hash))
}

/// Makes a file stay until [`release`], for an owner, which is any text of the
/// plugin's, such as the id of a document. Twice is as good as once.
pub fn keep(hash: &str, owner: &str) -> Result<()> {
    tell(op::BLOB_KEEP, hash, owner)
}

/// Gives a file up for an owner, if it keeps it.
pub fn release(hash: &str, owner: &str) -> Result<()> {
    tell(op::BLOB_RELEASE, hash, owner)
}

fn tell(op: u32, hash: &str, owner: &str) -> Result<()> {
    let mut m = Writer::new();
    m.bytes(1, hash).bytes(2, owner);
    host(op, &m.0).map(drop)
}

/// Gives what an owner keeps, 1,000 files at most.
pub fn kept(owner: &str) -> Result<Vec<BlobRef>> {
    let answer = host(op::BLOB_LIST, &Writer::new().bytes(1, owner).0)?;
    Ok(each(&answer, |f| BlobRef::read(f.bytes)))
}

/// Gives the files of a zip archive. One that is broken, encrypted, a bomb, or has
/// names that lead elsewhere is refused as Invalid, with a message for people.
pub fn zip_list(hash: &str) -> Result<Vec<ZipEntry>> {
    let answer = host(op::ZIP_LIST, &Writer::new().bytes(1, hash).0)?;
    Ok(each(&answer, |f| {
        let mut e = ZipEntry::default();
        for f in Reader(f.bytes) {
            match f.number {
                1 => e.name = f.text().to_string(),
                2 => e.size = f.value as i64,
                _ => {}
            }
        }
        e
    }))
}

/// Makes a file of a zip archive a blob.
pub fn zip_entry(hash: &str, name: &str) -> Result<BlobRef> {
    one(op::ZIP_ENTRY, Writer::new().bytes(1, hash).bytes(2, name))
}

/// Makes a zip archive, of blobs and bytes. The same entries give the same archive.
pub fn pack(name: &str, entries: &[PackEntry]) -> Result<BlobRef> {
    let mut m = Writer::new();
    for e in entries {
        m.message(1, |w| {
            w.bytes(1, e.name);
            match e.content {
                Content::Blob(hash) => w.bytes(2, hash),
                Content::Data(data) => w.bytes(3, data),
            };
        });
    }
    one(op::PACK, m.bytes(2, name))
}
