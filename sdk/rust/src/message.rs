//! Messages in protobuf's format.

/// A message that is being written.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn new() -> Writer {
        Writer::default()
    }

    fn varint(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.0.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.0.push(v as u8);
    }

    /// A field of a number, bool or enum; an i64 is cast.
    pub fn uint(&mut self, field: u32, v: u64) -> &mut Writer {
        if v != 0 {
            self.varint(u64::from(field) << 3);
            self.varint(v);
        }
        self
    }

    /// A field of a double.
    pub fn double(&mut self, field: u32, v: f64) -> &mut Writer {
        if v.to_bits() != 0 {
            self.varint(u64::from(field) << 3 | 1);
            self.0.extend_from_slice(&v.to_le_bytes());
        }
        self
    }

    /// A field of text or bytes.
    pub fn bytes(&mut self, field: u32, v: impl AsRef<[u8]>) -> &mut Writer {
        let v = v.as_ref();
        self.varint(u64::from(field) << 3 | 2);
        self.varint(v.len() as u64);
        self.0.extend_from_slice(v);
        self
    }

    /// A field of a message.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Writer)) -> &mut Writer {
        let mut inner = Writer::new();
        write(&mut inner);
        self.bytes(field, inner.0)
    }
}

/// A field that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field<'a> {
    pub number: u32,
    /// Of numbers; of a double its bits.
    pub value: u64,
    /// Of texts, bytes and messages.
    pub bytes: &'a [u8],
}

impl<'a> Field<'a> {
    /// The text; empty when it is none.
    pub fn text(&self) -> &'a str {
        std::str::from_utf8(self.bytes).unwrap_or("")
    }
}

/// Goes over the fields of a message; it ends at a broken one.
#[derive(Clone)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut v = 0;
        for (i, &b) in self.0.iter().enumerate().take(10) {
            v |= u64::from(b & 0x7f) << (7 * i);
            if b < 0x80 {
                self.0 = &self.0[i + 1..];
                return Some(v);
            }
        }
        None
    }

    fn take(&mut self, n: u64) -> Option<&'a [u8]> {
        let n = usize::try_from(n).ok().filter(|&n| n <= self.0.len())?;
        let (head, rest) = self.0.split_at(n);
        self.0 = rest;
        Some(head)
    }

    fn field(&mut self) -> Option<Field<'a>> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|&n| n > 0)?;
        let mut f = Field {
            number,
            value: 0,
            bytes: &[],
        };
        match tag & 7 {
            0 => f.value = self.varint()?,
            1 => f.value = u64::from_le_bytes(self.take(8)?.try_into().ok()?),
            2 => {
                let n = self.varint()?;
                f.bytes = self.take(n)?;
            }
            5 => f.value = u32::from_le_bytes(self.take(4)?.try_into().ok()?).into(),
            _ => return None,
        }
        Some(f)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let f = self.field();
        if f.is_none() {
            self.0 = &[];
        }
        f
    }
}

/// Finds the value of a name in the repeated Pair of a field.
pub(crate) fn pair<'a>(message: &'a [u8], number: u32, name: &str) -> Option<&'a str> {
    for f in Reader(message).filter(|f| f.number == number) {
        let (mut found, mut value) = ("", "");
        for p in Reader(f.bytes) {
            match p.number {
                1 => found = p.text(),
                2 => value = p.text(),
                _ => {}
            }
        }
        if found == name {
            return Some(value);
        }
    }
    None
}
