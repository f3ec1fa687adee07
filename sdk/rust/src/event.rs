//! Events and trees, read in place.

fn le(s: &[u8], at: usize, n: usize) -> u64 {
    match s.get(at..at.wrapping_add(n)) {
        Some(b) => b.iter().rev().fold(0, |v, &b| v << 8 | u64::from(b)),
        None => 0,
    }
}

/// The pair of offset and length at a place of s.
fn part(s: &[u8], at: usize) -> &[u8] {
    let (off, n) = (le(s, at, 4) as usize, le(s, at + 4, 4) as usize);
    off.checked_add(n)
        .and_then(|end| s.get(off..end))
        .unwrap_or(&[])
}

fn text(b: &[u8]) -> &str {
    std::str::from_utf8(b).unwrap_or("")
}

/// The events of one call, in the order of their arrival.
#[derive(Clone, Copy)]
pub struct Batch<'a>(pub &'a [u8]);

impl<'a> Batch<'a> {
    /// 0 for events that come for the first time.
    pub fn attempt(&self) -> u32 {
        le(self.0, 12, 4) as u32
    }

    /// Events that a full queue dropped since the batch before.
    pub fn missed(&self) -> u64 {
        le(self.0, 16, 8)
    }

    /// The number of the delivery, which rises; a second attempt has that of the first.
    pub fn delivery(&self) -> u64 {
        le(self.0, 24, 8)
    }

    pub fn views(&self) -> Views<'a> {
        let (size, head) = (le(self.0, 0, 4) as usize, le(self.0, 6, 2) as usize);
        if le(self.0, 4, 2) != 1 {
            return Views(&[]);
        }
        Views(self.0.get(head..size).unwrap_or(&[]))
    }
}

/// Goes over the events of a batch.
#[derive(Clone)]
pub struct Views<'a>(&'a [u8]);

impl<'a> Iterator for Views<'a> {
    type Item = View<'a>;

    fn next(&mut self) -> Option<View<'a>> {
        let (size, head) = (le(self.0, 0, 4) as usize, le(self.0, 6, 2) as usize);
        if le(self.0, 4, 2) != 1 || head < 8 || head > size || size > self.0.len() {
            return None;
        }
        let (view, rest) = self.0.split_at(size);
        self.0 = rest;
        Some(View(view))
    }
}

/// One event.
#[derive(Clone, Copy)]
pub struct View<'a>(&'a [u8]);

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident: $how:ident at $at:literal -> $type:ty;)*) => {
        $($(#[$doc])* pub fn $name(&self) -> $type { self.$how($at) as $type })*
    };
}

impl<'a> View<'a> {
    fn number(&self, at: usize) -> u64 {
        if at + 8 > le(self.0, 6, 2) as usize {
            return 0; // of a host with an older version of the header
        }
        le(self.0, at, 8)
    }

    fn float(&self, at: usize) -> f64 {
        f64::from_bits(self.number(at))
    }

    fn bytes(&self, at: usize) -> &'a [u8] {
        if at + 8 > le(self.0, 6, 2) as usize {
            return &[];
        }
        part(self.0, at)
    }

    fn text(&self, at: usize) -> &'a str {
        text(self.bytes(at))
    }

    fields! {
        id: number at 8 -> i64;
        /// When the event was complete, by the server's clock: µs since 1970 UTC.
        recv: number at 16 -> i64;
        /// The sender's, as start and stale are.
        time: number at 24 -> i64;
        start: number at 32 -> i64;
        stale: number at 40 -> i64;
        /// Degrees.
        lat: float at 48 -> f64;
        lon: float at 56 -> f64;
        /// Metres above the ellipsoid; 9999999 is "not known".
        hae: float at 64 -> f64;
        /// Metres.
        ce: float at 72 -> f64;
        le: float at 80 -> f64;
        /// m/s.
        speed: float at 88 -> f64;
        /// Degrees.
        course: float at 96 -> f64;
        connection: number at 104 -> u64;
        /// The sender's groups: a number for fields that are called set.
        groups: number at 112 -> i32;
    }

    /// cot.Flags of the server's sources.
    pub fn flags(&self) -> u32 {
        (self.number(112) >> 32) as u32
    }
    /// Number of the node where it entered.
    pub fn node(&self) -> u16 {
        self.number(120) as u16
    }
    /// hostapi.Origin of the server's sources.
    pub fn origin(&self) -> u8 {
        (self.number(120) >> 16) as u8
    }
    /// How many plugins and federates it passed through.
    pub fn hops(&self) -> u8 {
        (self.number(120) >> 24) as u8
    }

    /// The destinations: kind (cot.DestKind of the server's sources) and value.
    pub fn dests(&self) -> impl Iterator<Item = (u8, &'a str)> {
        let view = self.0;
        let (off, n) = (self.number(200) as u32 as usize, self.number(200) >> 32);
        (0..n as usize)
            .map(move |i| off + i * 12)
            .take_while(move |at| at + 12 <= view.len())
            .map(move |at| (view[at], text(part(view, at + 4))))
    }

    /// Whether subscription i of the manifest chose the event.
    pub fn matched(&self, i: u32) -> bool {
        i < 32 && (self.number(120) >> 32) >> i & 1 != 0
    }
    pub fn uid(&self) -> &'a str {
        self.text(128)
    }
    /// The CoT type.
    pub fn kind(&self) -> &'a str {
        self.text(136)
    }
    pub fn how(&self) -> &'a str {
        self.text(144)
    }
    pub fn callsign(&self) -> &'a str {
        self.text(152)
    }
    pub fn endpoint(&self) -> &'a str {
        self.text(160)
    }
    pub fn team(&self) -> &'a str {
        self.text(168)
    }
    pub fn role(&self) -> &'a str {
        self.text(176)
    }
    pub fn user(&self) -> &'a str {
        self.text(184)
    }
    /// Client uid of the sender's connection.
    pub fn client(&self) -> &'a str {
        self.text(192)
    }
    /// The elements of the detail that the subscription asks for.
    pub fn detail(&self) -> Tree<'a> {
        Tree(self.bytes(208))
    }
    /// The event as it was sent, if the subscription asks for it.
    pub fn xml(&self) -> &'a str {
        self.text(216)
    }
}

/// A document that the host has parsed: the detail of an event, a request body,
/// the config.
#[derive(Clone, Copy)]
pub struct Tree<'a>(pub &'a [u8]);

const NODE: u64 = 36;
const ATTR: u64 = 16;

impl<'a> Tree<'a> {
    pub fn root(&self) -> Option<Node<'a>> {
        let s = self.0;
        let (size, head, n) = (le(s, 0, 4), le(s, 6, 2), le(s, 8, 4));
        let fits = s.len() >= 16 && size <= s.len() as u64 && n > 0 && n <= 1 << 26;
        if le(s, 4, 2) != 1 || head < 16 || !fits || head + n * NODE > size {
            return None;
        }
        Some(Node {
            tree: &s[..size as usize],
            i: 0,
            end: n,
            head,
        })
    }
}

/// What a node is: an element of XML, or one of the values of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nothing,
    Element,
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// One node of a tree: an element of XML, or a value of JSON.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    tree: &'a [u8],
    i: u64,
    end: u64,
    head: u64,
}

impl<'a> Node<'a> {
    fn at(&self) -> usize {
        (self.head + self.i * NODE) as usize
    }

    /// An element's name, or the key of an object's member.
    pub fn name(&self) -> &'a str {
        text(part(self.tree, self.at()))
    }

    /// Character data, or a value of JSON as a text.
    pub fn text(&self) -> &'a str {
        text(part(self.tree, self.at() + 8))
    }

    /// The XML or JSON as it was sent.
    pub fn raw(&self) -> &'a str {
        text(part(self.tree, self.at() + 16))
    }

    /// What the node is.
    pub fn kind(&self) -> Kind {
        use Kind::*;
        let kinds = [Nothing, Element, Object, Array, String, Number, Bool, Null];
        let kind = le(self.tree, self.at() + 32, 1) as usize;
        kinds.get(kind).copied().unwrap_or(Nothing)
    }

    fn node(&self, i: u64, parent_end: u64) -> Option<Node<'a>> {
        if i >= parent_end {
            return None;
        }
        let mut n = Node { i, ..*self };
        n.end = le(n.tree, n.at() + 24, 4).max(i + 1).min(parent_end);
        Some(n)
    }

    pub fn children(&self) -> Children<'a> {
        Children {
            next: self.node(self.i + 1, self.end),
            end: self.end,
        }
    }

    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<Node<'a>> {
        self.children().find(|c| c.name() == name)
    }

    pub fn attr(&self, name: &str) -> Option<&'a str> {
        let (nodes, total) = (le(self.tree, 8, 4), le(self.tree, 12, 4));
        let table = self.head + nodes * NODE;
        let first = le(self.tree, self.at() + 28, 4);
        let last = if self.i + 1 < nodes {
            le(self.tree, self.at() + NODE as usize + 28, 4)
        } else {
            total
        };
        if table + total * ATTR > self.tree.len() as u64 || last > total {
            return None;
        }
        (first..last)
            .map(|k| (table + k * ATTR) as usize)
            .find(|&at| text(part(self.tree, at)) == name)
            .map(|at| text(part(self.tree, at + 8)))
    }
}

/// Goes over the nodes directly below one.
#[derive(Clone)]
pub struct Children<'a> {
    next: Option<Node<'a>>,
    end: u64,
}

impl<'a> Iterator for Children<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let n = self.next?;
        self.next = n.node(n.end, self.end);
        Some(n)
    }
}
