//! What the host asks of a plugin.

use crate::blob::BlobRef;
use crate::message::{pair, Reader, Writer};
use crate::{Batch, Error, Result, Status, Tree};

fn unsupported<T>() -> Result<T> {
    Err(Error::new(Status::Unsupported, ""))
}

/// A plugin. Methods that it does not have answer "unsupported".
pub trait Plugin: Sized {
    const NAME: &'static str;
    const VERSION: &'static str;

    /// Begins the life of an instance. `init` is the message Init; the config is
    /// also to be had by [`crate::config`].
    fn init(init: &[u8]) -> Result<Self>;

    fn health(&mut self) -> Result<()> {
        Ok(())
    }

    /// Events that the subscriptions of the manifest chose.
    fn events(&mut self, _batch: Batch) -> Result<()> {
        unsupported()
    }

    /// May stand in the place of `events`, to refuse single events of a batch: what
    /// is staged is committed, and those of the list are given again or put away.
    fn batch(&mut self, batch: Batch) -> Result<Vec<Refused>> {
        self.events(batch).map(|()| Vec::new())
    }

    /// A request to a route of the manifest.
    fn http(&mut self, _request: Request) -> Result<Response> {
        unsupported()
    }

    fn stop(&mut self) -> Result<()> {
        Ok(())
    }

    /// All other operations, by the numbers and messages of hostapi.
    fn other(&mut self, _op: u32, _input: &[u8]) -> Result<Vec<u8>> {
        unsupported()
    }
}

/// An event that the plugin could not handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Number of the event in the batch, 0 first.
    pub event: u32,
    /// Retry: give it once more; anything else: to the dead-letter store.
    pub why: Error,
}

/// A request to a route.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Operation id of the route.
    pub route: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    /// With body json, loose or xml.
    pub tree: Tree<'a>,
    /// With body raw.
    pub body: &'a [u8],
    pub content_type: &'a str,
    /// Nothing may be staged.
    pub read_only: bool,
    /// All of it: HTTPRequest of plugin.proto.
    pub message: &'a [u8],
}

impl<'a> Request<'a> {
    fn read(message: &'a [u8]) -> Request<'a> {
        let mut r = Request {
            route: "",
            method: "",
            path: "",
            tree: Tree(&[]),
            body: &[],
            content_type: "",
            read_only: false,
            message,
        };
        for f in Reader(message) {
            match f.number {
                1 => r.route = f.text(),
                2 => r.method = f.text(),
                3 => r.path = f.text(),
                8 => r.tree = Tree(f.bytes),
                10 => r.body = f.bytes,
                12 => r.content_type = f.text(),
                13 => r.read_only = f.value != 0,
                _ => {}
            }
        }
        r
    }

    /// A part of the path that the route names in braces.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        pair(self.message, 4, name)
    }

    /// A parameter of the query.
    pub fn query(&self, name: &str) -> Option<&'a str> {
        pair(self.message, 5, name)
    }

    /// A header, whose name is in lower case. Few are let through.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        pair(self.message, 6, name)
    }

    /// A field of a form.
    pub fn form(&self, name: &str) -> Option<&'a str> {
        pair(self.message, 9, name)
    }

    /// With body blob: the file that was sent, or those of a multipart form.
    pub fn blobs(&self) -> impl Iterator<Item = BlobRef> + 'a {
        Reader(self.message)
            .filter(|f| f.number == 11)
            .map(|f| BlobRef::read(f.bytes))
    }
}

/// The answer to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// 0: 200.
    pub status: u32,
    /// Empty: what the route declares.
    pub content_type: String,
    pub body: Vec<u8>,
    pub headers: Vec<(String, String)>,
    /// What follows on `body`, one behind the other.
    pub parts: Vec<Part>,
}

impl Response {
    /// The body, as the route declares it.
    pub fn new(body: impl Into<Vec<u8>>) -> Response {
        Response {
            body: body.into(),
            ..Response::default()
        }
    }

    /// A body of parts.
    pub fn of(parts: impl Into<Vec<Part>>) -> Response {
        Response {
            parts: parts.into(),
            ..Response::default()
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// A piece of a body: Part of plugin.proto. The host puts documents and files in while
/// it sends, so they never pass through the plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part(pub Vec<u8>);

impl Part {
    fn made(write: impl FnOnce(&mut Writer)) -> Part {
        let mut m = Writer::new();
        write(&mut m);
        Part(m.0)
    }

    pub fn data(data: impl AsRef<[u8]>) -> Part {
        Part::made(|m| {
            m.bytes(1, data);
        })
    }

    /// The body of a document.
    pub fn document(collection: &str, id: &str) -> Part {
        Part::made(|m| {
            m.message(2, |d| {
                d.bytes(1, collection).bytes(2, id);
            });
        })
    }

    /// A file; alone in an answer, it serves ranges and HEAD. A file name makes it a
    /// download; empty: it is none.
    pub fn blob(hash: &str, file_name: &str) -> Part {
        Part::made(|m| {
            m.message(4, |b| {
                b.bytes(1, hash).bytes(2, file_name);
            });
        })
    }

    /// A piece of a file: `length` bytes from `offset` on, fewer if it has no more; length
    /// 0 means all that is left. An offset behind the end, or a number below zero, refuses
    /// the whole answer. What answers with 206 and Content-Range says so itself.
    pub fn blob_range(hash: &str, offset: i64, length: i64) -> Part {
        Part::made(|m| {
            m.message(4, |b| {
                b.bytes(1, hash)
                    .uint(3, offset as u64)
                    .uint(4, length as u64);
            });
        })
    }
}

/// Makes the exports of a plugin.
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        static TAK: $crate::exports::Instance<$plugin> = $crate::exports::Instance::new();

        #[no_mangle]
        pub extern "C" fn tak_abi() -> i32 {
            $crate::ABI
        }
        #[no_mangle]
        pub extern "C" fn tak_buf(n: u32) -> *mut u8 {
            TAK.buffer(n)
        }
        #[no_mangle]
        pub extern "C" fn tak_call(op: u32, n: u32) -> u64 {
            TAK.call(op, n)
        }
    };
}

/// For the macro alone.
pub mod exports {
    use super::*;
    use std::cell::UnsafeCell;

    struct State<P> {
        plugin: Option<P>,
        input: Vec<u64>, // at multiples of 8
        answer: Vec<u8>,
    }

    /// The one instance of a module.
    pub struct Instance<P>(UnsafeCell<State<P>>);

    // A module has one thread, and the host calls it once at a time.
    unsafe impl<P> Sync for Instance<P> {}

    impl<P> Instance<P> {
        pub const fn new() -> Instance<P> {
            Instance(UnsafeCell::new(State {
                plugin: None,
                input: Vec::new(),
                answer: Vec::new(),
            }))
        }
    }

    impl<P: Plugin> Instance<P> {
        pub fn buffer(&self, n: u32) -> *mut u8 {
            let s = unsafe { &mut *self.0.get() };
            if s.input.is_empty() {
                // A trap says nothing of why; the log does.
                std::panic::set_hook(Box::new(|info| {
                    crate::log(crate::Level::Error, &info.to_string())
                }));
            }
            let words = (n as usize + 7) / 8;
            if words > s.input.len() {
                s.input.resize(words, 0);
            }
            s.input.as_mut_ptr().cast()
        }

        pub fn call(&self, op: u32, n: u32) -> u64 {
            let s = unsafe { &mut *self.0.get() };
            let n = (n as usize).min(s.input.len() * 8);
            let input = unsafe { std::slice::from_raw_parts(s.input.as_ptr().cast::<u8>(), n) };
            s.answer.clear();
            match run(&mut s.plugin, op, input) {
                Ok(payload) => {
                    s.answer.push(Status::Ok as u8);
                    s.answer.extend_from_slice(&payload);
                }
                Err(e) => {
                    let mut m = Writer::new();
                    m.bytes(2, &e.message);
                    s.answer.push(e.status as u8);
                    s.answer.extend_from_slice(&m.0);
                }
            }
            (s.answer.as_ptr() as usize as u64) << 32 | s.answer.len() as u64
        }
    }

    fn run<P: Plugin>(plugin: &mut Option<P>, op: u32, input: &[u8]) -> Result<Vec<u8>> {
        let nothing = |()| Vec::new();
        match (op, plugin) {
            (1, _) => Ok(describe::<P>()),
            (2, plugin) => {
                *plugin = Some(P::init(input)?);
                Ok(Vec::new())
            }
            (_, None) => Err(Error::new(Status::Failed, "called before init")),
            (3, Some(p)) => p.health().map(nothing),
            (4, Some(p)) => p.batch(Batch(input)).map(results),
            (5, Some(p)) => p.http(Request::read(input)).map(respond),
            (10, Some(p)) => p.stop().map(nothing),
            (op, Some(p)) => p.other(op, input),
        }
    }

    fn describe<P: Plugin>() -> Vec<u8> {
        let mut m = Writer::new();
        m.bytes(1, P::NAME)
            .bytes(2, P::VERSION)
            .uint(3, crate::ABI as u64)
            .bytes(4, "rust crate 1.0");
        m.0
    }

    fn results(refused: Vec<Refused>) -> Vec<u8> {
        let mut m = Writer::new();
        for r in refused {
            m.message(1, |e| {
                e.uint(1, r.event.into())
                    .uint(2, r.why.status as u64)
                    .bytes(3, r.why.message);
            });
        }
        m.0
    }

    fn respond(r: Response) -> Vec<u8> {
        let mut m = Writer::new();
        m.uint(1, r.status.into()).bytes(2, r.content_type);
        for (name, value) in r.headers {
            m.message(3, |h| {
                h.bytes(1, name).bytes(2, value);
            });
        }
        if r.parts.is_empty() || !r.body.is_empty() {
            m.bytes(4, Part::data(r.body).0);
        }
        for part in r.parts {
            m.bytes(4, part.0);
        }
        m.0
    }
}
