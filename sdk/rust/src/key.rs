//! Keys of indexes; the form is in hostapi/index of the server's sources.

/// The key by which an index finds a document: its values in the order that the
/// manifest gives the index.
///
/// ```ignore
/// let key = Key::new().text("red").time(event.recv());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key(pub Vec<u8>);

impl Key {
    pub fn new() -> Key {
        Key::default()
    }

    fn number(mut self, tag: u8, v: u64) -> Key {
        self.0.push(tag);
        self.0.extend_from_slice(&v.to_be_bytes());
        self
    }

    fn part(mut self, tag: u8, v: &[u8]) -> Key {
        self.0.push(tag);
        for &b in v {
            self.0.push(b);
            if b == 0 {
                self.0.push(0xff);
            }
        }
        self.0.push(0);
        self
    }

    pub fn bool(mut self, v: bool) -> Key {
        self.0.push(0x10 | u8::from(v));
        self
    }

    pub fn int(self, v: i64) -> Key {
        self.number(0x20, v as u64 ^ 1 << 63)
    }

    /// A number that is none (NaN) has no place in an order: the store refuses it.
    pub fn float(self, v: f64) -> Key {
        let bits = (v + 0.0).to_bits(); // of -0 it makes 0
        let sign = 1 << 63;
        self.number(0x30, if bits & sign != 0 { !bits } else { bits | sign })
    }

    /// A time: µs since 1970 UTC.
    pub fn time(self, micros: i64) -> Key {
        self.number(0x40, micros as u64 ^ 1 << 63)
    }

    pub fn text(self, v: &str) -> Key {
        self.part(0x50, v.as_bytes())
    }

    pub fn bytes(self, v: &[u8]) -> Key {
        self.part(0x60, v)
    }

    /// The end of the range of all keys that begin with this one.
    pub fn after(mut self) -> Key {
        self.0.push(0xff);
        self
    }
}
