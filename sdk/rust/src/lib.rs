//! Plugins for takhost in Rust, contract tak/1. No dependencies; Rust 1.63.
//!
//! ```ignore
//! struct Hello;
//!
//! impl tak::Plugin for Hello {
//!     const NAME: &'static str = "hello";
//!     const VERSION: &'static str = "1.0.0";
//!
//!     fn init(_: &[u8]) -> tak::Result<Self> {
//!         tak::log(tak::Level::Info, "hello");
//!         Ok(Hello)
//!     }
//! }
//!
//! tak::plugin!(Hello);
//! ```
//!
//! Build it as a `cdylib` for `wasm32-unknown-unknown` (or `wasm32-wasi`).
//!
//! Effects (put, delete, emit) happen when the method that the host called
//! returns `Ok`, all of them, and not at all otherwise. What shall stay between
//! calls belongs into the store: an instance may be replaced at any time.
//!
//! Views and trees are read in place, in the input of the call. Readers accept
//! any bytes: what points outside reads as empty.
//!
//! The operations, messages and layouts are those of hostapi/plugin.proto,
//! hostapi/view.go, batch.go and tree.go in the server's sources.

pub mod blob;
mod event;
mod host;
mod key;
mod message;
mod plugin;

pub use event::{Batch, Children, Kind, Node, Tree, View, Views};
pub use host::{
    config, delete, emit_as, emit_group, get, host, log, now, put, query, Document, Page,
};
pub use key::Key;
pub use message::{Field, Reader, Writer};
pub use plugin::{Part, Plugin, Refused, Request, Response};

/// The version of the contract, as tak_abi gives it: major << 16 | minor.
pub const ABI: i32 = 1 << 16;

/// What a plugin asks of the host, for [`host`]; the others are in hostapi/op.go.
pub mod op {
    pub const LOG: u32 = 0x01;
    pub const CONFIG: u32 = 0x02;
    pub const CLOCK: u32 = 0x03;
    pub const RANDOM: u32 = 0x04;
    pub const EMIT: u32 = 0x10;
    pub const GET: u32 = 0x20;
    pub const PUT: u32 = 0x21;
    pub const DELETE: u32 = 0x22;
    pub const QUERY: u32 = 0x23;
    pub const COUNTER: u32 = 0x24;
    pub const BLOB_PUT: u32 = 0x30;
    pub const BLOB_READ: u32 = 0x31;
    pub const BLOB_STAT: u32 = 0x32;
    pub const BLOB_LIST: u32 = 0x33;
    pub const ZIP_LIST: u32 = 0x34;
    pub const ZIP_ENTRY: u32 = 0x35;
    pub const PACK: u32 = 0x36;
    pub const BLOB_KEEP: u32 = 0x37;
    pub const BLOB_RELEASE: u32 = 0x38;
}

/// How an operation ended, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    Ok,
    /// Not now: the same call may succeed later.
    Retry,
    /// For good; an event goes to the dead-letter store.
    Failed,
    Invalid,
    /// Not granted.
    Forbidden,
    Limit,
    Unsupported,
    NotFound,
    Conflict,
    Gone,
}

impl Status {
    pub(crate) fn from_number(n: u32) -> Status {
        use Status::*;
        [
            Ok,
            Retry,
            Failed,
            Invalid,
            Forbidden,
            Limit,
            Unsupported,
            NotFound,
            Conflict,
            Gone,
        ]
        .get(n as usize)
        .copied()
        .unwrap_or(Failed)
    }
}

/// Levels of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info,
    Debug,
    Warn,
    Error,
}

/// Why an operation failed. The message reaches HTTP callers, so no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub status: Status,
    pub message: String,
}

impl Error {
    pub fn new(status: Status, message: impl Into<String>) -> Error {
        Error {
            status,
            message: message.into(),
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.status, self.message)
    }
}

impl std::error::Error for Error {}

pub type Result<T> = std::result::Result<T, Error>;

/// Appends a text as a JSON string, with its quotes.
pub fn push_json(out: &mut String, s: &str) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[doc(hidden)]
pub use plugin::exports;
