//! What the pickle machine knows of a value, in four bytes: a tag and a payload that is a number or an index.

/// A value, abstractly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value(u32);

/// A value's tag and payload, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Inert data of which nothing else is known.
    Data,
    /// A small number.
    Int(u32),
    /// Text in the table of names.
    Text(u32),
    /// Text that was pushed lately, by sequence number.
    Recent(u32),
    /// A tuple: sequence number, and how many elements (15: that many or more).
    Tuple(u32, u32),
    /// An import, by index.
    Global(u32),
    /// What a call to a harmless import gave: the import's index.
    Object(u32),
    /// What came of something that was already found.
    Tainted,
    /// A list, dictionary or set, by number.
    Container(u32),
    /// A numpy data type, by index.
    Dtype(u32),
    /// Bytes, by number.
    Bytes(u32),
    /// What the loader gives for a persistent id.
    Persistent,
    /// joblib's stand-in for an array whose bytes follow in the stream.
    Wrapper,
    /// `None`.
    None,
    /// The program text that scipy's distributions keep, word for word.
    Template,
    /// A number of which nothing else is known.
    Number,
}

/// The largest payload. As a sequence number it means "forgotten".
pub(crate) const PAYLOAD: u32 = (1 << 28) - 1;
/// The largest sequence number of a tuple; itself, it means "forgotten".
pub(crate) const TUPLES: u32 = (1 << 24) - 1;
/// An element count that means "at least so many".
pub(crate) const MANY: u32 = 15;

impl Value {
    /// Inert data.
    pub(crate) const DATA: Self = Self(0);
    /// The empty tuple.
    pub(crate) const EMPTY: Self = Self(4 << 28 | TUPLES);
    /// See [`Kind::Tainted`].
    pub(crate) const TAINTED: Self = Self(7 << 28);
    /// The same: a function that the pickle makes of its own byte code.
    pub(crate) const MADE: Self = Self(7 << 28 | 1);
    /// See [`Kind::Persistent`].
    pub(crate) const PERSISTENT: Self = Self(11 << 28);
    /// See [`Kind::Wrapper`].
    pub(crate) const WRAPPER: Self = Self(12 << 28);
    /// See [`Kind::None`].
    pub(crate) const NONE: Self = Self(13 << 28);
    /// See [`Kind::Template`].
    pub(crate) const TEMPLATE: Self = Self(14 << 28);
    /// See [`Kind::Number`].
    pub(crate) const NUMBER: Self = Self(15 << 28);

    const fn with(tag: u32, payload: u32) -> Self {
        Self(tag << 28 | (payload & PAYLOAD))
    }

    /// What a call of an import that is on no list gives.
    pub(crate) fn given_by(dotted: &str) -> Self {
        let makes = ["._make_function", "._make_skel_func", "._fill_function"];
        if makes.iter().any(|name| dotted.ends_with(name)) {
            Self::MADE
        } else {
            Self::TAINTED
        }
    }

    /// A number, if it is small enough to be remembered.
    pub(crate) fn int(number: u64) -> Self {
        match u32::try_from(number) {
            Ok(number) if number < PAYLOAD => Self::with(1, number),
            _ => Self::NUMBER,
        }
    }

    pub(crate) const fn text(id: u32) -> Self {
        Self::with(2, id)
    }

    pub(crate) const fn recent(sequence: u32) -> Self {
        Self::with(3, sequence)
    }

    /// A tuple of `count` elements.
    pub(crate) fn tuple(sequence: u32, count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(MANY).min(MANY);
        Self::with(4, count << 24 | sequence.min(TUPLES))
    }

    pub(crate) const fn global(index: u32) -> Self {
        Self::with(5, index)
    }

    pub(crate) const fn object(index: u32) -> Self {
        Self::with(6, index)
    }

    pub(crate) const fn container(number: u32) -> Self {
        Self::with(8, number)
    }

    pub(crate) const fn dtype(index: u32) -> Self {
        Self::with(9, index)
    }

    pub(crate) const fn bytes(number: u32) -> Self {
        Self::with(10, number)
    }

    /// Takes it apart.
    pub(crate) const fn kind(self) -> Kind {
        let payload = self.0 & PAYLOAD;
        match self.0 >> 28 {
            1 => Kind::Int(payload),
            2 => Kind::Text(payload),
            3 => Kind::Recent(payload),
            4 => Kind::Tuple(payload & TUPLES, payload >> 24),
            5 => Kind::Global(payload),
            6 => Kind::Object(payload),
            7 => Kind::Tainted,
            8 => Kind::Container(payload),
            9 => Kind::Dtype(payload),
            10 => Kind::Bytes(payload),
            11 => Kind::Persistent,
            12 => Kind::Wrapper,
            13 => Kind::None,
            14 => Kind::Template,
            15 => Kind::Number,
            _ => Kind::Data,
        }
    }

    /// The number of a container.
    pub(crate) const fn number(self) -> Option<u32> {
        match self.kind() {
            Kind::Container(number) => Some(number),
            _ => None,
        }
    }

    /// Whether it is an import: the one thing that may not be put just anywhere.
    pub(crate) const fn is_global(self) -> bool {
        self.0 >> 28 == 5
    }

    /// Whether it is a numpy data type.
    pub(crate) const fn is_dtype(self) -> bool {
        self.0 >> 28 == 9
    }
}
