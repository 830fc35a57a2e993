//! The canonical view: what a model reads, without the disguises, and the way back to the bytes it came from.
//!
//! The first text is the input without invisible characters and look-alikes. Further layers hold what is written in
//! another form inside it: markup with its tags gone, encodings undone, words put together again. Detectors read every
//! layer; [`View::origin`] turns a place in any of them into a range of the original bytes.
//!
//! INVARIANT: an origin lies within the input. Work and memory are linear in the input: layers together hold at most
//! [`DECODED_MOST`] bytes beyond four times the input, at most [`LAYERS_MOST`] of them, at most [`DEPTH_MOST`] deep.

mod chains;
mod encoded;
mod html;
mod map;
mod marks;
mod numbers;
mod unicode;
mod units;
mod words;

use std::borrow::Cow;
use std::ops::Range;

pub(crate) use encoded::readable;
pub(crate) use html::entity;
pub use map::Map;
#[cfg(test)]
pub(crate) use numbers::morse_of;

/// Most layers of one view.
pub const LAYERS_MOST: usize = 64;
/// Deepest nesting of encodings that is undone.
pub const DEPTH_MOST: u8 = 4;
/// Most decoded bytes beyond four times the input.
pub const DECODED_MOST: usize = 256 << 10;

/// How a layer's text was written in its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// The input without disguises.
    Plain,
    /// Markup: text without tags, with entities resolved, comments and attributes included.
    Markup,
    /// Base64, ordinary or for URLs.
    Base64,
    /// Base32.
    Base32,
    /// Pairs of hexadecimal digits.
    Hex,
    /// Percent signs and hexadecimal digits.
    Percent,
    /// Backslash escapes of programming languages.
    Escapes,
    /// Letters moved by thirteen.
    Rot13,
    /// Written backwards.
    Reversed,
    /// Letters kept apart by spaces or signs, or words joined by a sign in place of spaces.
    Spaced,
    /// Digits, signs, and letters with marks, that stand for letters.
    Leet,
    /// Compressed with gzip, zlib or bare deflate, below base64 or hex.
    Compressed,
    /// Quoted-printable, as mail has it.
    Quoted,
    /// A list of the numbers of characters: hexadecimal, decimal, octal or binary.
    Numbers,
    /// The dots and dashes of Morse code.
    Morse,
    /// Literals that a program would put together.
    Joined,
}

impl Form {
    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Markup => "markup",
            Self::Base64 => "base64",
            Self::Base32 => "base32",
            Self::Hex => "hex",
            Self::Percent => "percent",
            Self::Escapes => "escapes",
            Self::Rot13 => "rot13",
            Self::Reversed => "reversed",
            Self::Spaced => "spaced",
            Self::Leet => "leet",
            Self::Compressed => "compressed",
            Self::Quoted => "quoted_printable",
            Self::Numbers => "numbers",
            Self::Morse => "morse",
            Self::Joined => "joined",
        }
    }
}

/// A way of hiding text from people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disguise {
    /// Unicode tag characters that spell text.
    Tags,
    /// A run of variation selectors that spells bytes.
    Selectors,
    /// Zero-width characters inside words, or runs of them.
    ZeroWidth,
    /// A run of zero-width characters that spells text in bits.
    ZeroWidthText,
    /// Overrides of the direction of text.
    Direction,
    /// Letters of other scripts inside words they look like.
    LookAlike,
    /// Control characters and terminal escapes.
    Control,
    /// A comment in markup.
    Comment,
    /// An element that a style or an attribute hides.
    HiddenElement,
}

impl Disguise {
    /// The word in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tags => "unicode_tags",
            Self::Selectors => "variation_selectors",
            Self::ZeroWidth => "zero_width",
            Self::ZeroWidthText => "zero_width_text",
            Self::Direction => "text_direction",
            Self::LookAlike => "look_alike_letters",
            Self::Control => "control_characters",
            Self::Comment => "comment",
            Self::HiddenElement => "hidden_element",
        }
    }
}

/// A disguise and where it is in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which.
    pub disguise: Disguise,
    /// Bytes of the input.
    pub origin: Range<usize>,
}

/// Which bound was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// [`DEPTH_MOST`].
    Depth,
    /// [`LAYERS_MOST`].
    Layers,
    /// [`DECODED_MOST`] and four times the input.
    Decoded,
}

impl Bound {
    /// What is told of it, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Depth => "an encoding inside of four others",
            Self::Layers => "an encoding behind 64 others",
            Self::Decoded => "an encoding of more than is decoded of one text",
        }
    }
}

/// What was not read since a bound was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Which.
    pub bound: Bound,
    /// Bytes of the input.
    pub origin: Range<usize>,
}

/// One text of a view.
#[derive(Debug, Clone)]
pub struct Layer<'a> {
    /// The text.
    pub text: Cow<'a, str>,
    /// How it was written.
    pub form: Form,
    /// How many encodings were undone to reach it.
    pub depth: u8,
    parent: usize,
    map: Map,
}

/// An input as detectors read it.
#[derive(Debug, Clone)]
pub struct View<'a> {
    layers: Vec<Layer<'a>>,
    /// What was hidden, in no order.
    pub marks: Vec<Mark>,
    /// Some layer was not made since a bound was reached. What is missing counts as unseen.
    pub cut: bool,
    /// The first such layer.
    pub first_cut: Option<Cut>,
}

/// A layer before it has a place.
struct Found {
    text: String,
    form: Form,
    map: Map,
}

impl<'a> View<'a> {
    /// Makes the view. Bytes that are no UTF-8 read as U+FFFD.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        let (text, map, marks) = unicode::plain(bytes);
        let base = Layer {
            text,
            form: Form::Plain,
            depth: 0,
            parent: 0,
            map,
        };
        let mut view = Self {
            layers: vec![base],
            marks,
            cut: false,
            first_cut: None,
        };
        let mut budget = bytes.len().saturating_mul(4).saturating_add(DECODED_MOST);
        let mut at = 0;
        while let Some(layer) = view.layers.get(at) {
            let (depth, last) = (layer.depth, layer.form);
            let mut found = Vec::new();
            if depth < DEPTH_MOST {
                let mut hidden = Vec::new();
                html::find(&layer.text, &mut found, &mut hidden);
                encoded::find(&layer.text, &mut found);
                units::find(&layer.text, &mut found);
                numbers::find(&layer.text, &mut found);
                words::find(&layer.text, last, &mut found);
                marks::find(&layer.text, last, &mut found);
                let hidden: Vec<Mark> = hidden
                    .into_iter()
                    .map(|(disguise, range)| Mark {
                        disguise,
                        origin: view.origin(at, range),
                    })
                    .collect();
                view.marks.extend(hidden);
            } else {
                // What lies deeper is not undone, and that is said.
                let mut deeper = Vec::new();
                encoded::find(&layer.text, &mut deeper);
                if let Some(first) = deeper.first() {
                    view.stop(at, first, Bound::Depth);
                }
            }
            for found in found {
                let bound = if view.layers.len() >= LAYERS_MOST {
                    Some(Bound::Layers)
                } else {
                    (found.text.len() > budget).then_some(Bound::Decoded)
                };
                if let Some(bound) = bound {
                    view.stop(at, &found, bound);
                    break;
                }
                budget -= found.text.len();
                view.adopt(at, depth, found);
            }
            at += 1;
        }
        view
    }

    /// A found text does not become a layer.
    fn stop(&mut self, parent: usize, found: &Found, bound: Bound) {
        self.cut = true;
        if self.first_cut.is_none() {
            let origin = self.origin(parent, found.map.origin(0..found.text.len()));
            self.first_cut = Some(Cut { bound, origin });
        }
    }

    /// A found text becomes a layer, itself without disguises.
    fn adopt(&mut self, parent: usize, depth: u8, found: Found) {
        let Found { text, form, map } = found;
        let (clean, inner, marks) = unicode::plain(text.as_bytes());
        let marks: Vec<Mark> = marks
            .into_iter()
            .map(|mark| Mark {
                disguise: mark.disguise,
                origin: self.origin(parent, map.origin(mark.origin)),
            })
            .collect();
        self.marks.extend(marks);
        let (text, map) = match clean {
            Cow::Borrowed(_) => (text, map),
            Cow::Owned(clean) => (clean, inner.onto(&map)),
        };
        self.layers.push(Layer {
            text: Cow::Owned(text),
            form,
            depth: depth + 1,
            parent,
            map,
        });
    }

    /// The layers, the plain one first.
    #[must_use]
    pub fn layers(&self) -> &[Layer<'a>] {
        &self.layers
    }

    /// The plain text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.layers.first().map_or("", |layer| &layer.text)
    }

    /// Where a range of a layer's text came from in the input.
    #[must_use]
    pub fn origin(&self, layer: usize, range: Range<usize>) -> Range<usize> {
        let (mut at, mut range) = (layer, range);
        while let Some(layer) = self.layers.get(at) {
            range = layer.map.origin(range);
            if at == 0 {
                break;
            }
            // A parent stands before its children, so this ends.
            at = layer.parent;
        }
        range
    }
}

#[cfg(test)]
mod tests;
