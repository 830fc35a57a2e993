//! Pictures as numbers. Decoded within a bound on pixels, and made as large as the first of their folder.

use zune_core::{bytestream::ZCursor, options::DecoderOptions};

use crate::source::{Source, View};

/// Bytes of one picture's file.
const FILE_MAX: u64 = 64 << 20;
/// Pixels of one picture.
const PIXELS_MAX: usize = 64 << 20;
/// Numbers of one picture in the end.
const NUMBERS: usize = 4096;

/// The size that all pictures of a folder are brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    width: usize,
    height: usize,
    colours: usize,
}

struct Picture {
    width: usize,
    height: usize,
    colours: usize,
    bytes: Vec<u8>,
}

/// Whether a file's name is that of a picture.
pub(crate) fn named(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [".png", ".jpg", ".jpeg"].iter().any(|end| lower.ends_with(end))
}

/// The numbers of a picture, `None` if it can't be read.
pub(crate) fn numbers(source: &dyn Source, shape: &mut Option<Shape>) -> Option<Vec<f32>> {
    if source.size() > FILE_MAX {
        return None;
    }
    let bytes = View::all(source).bytes(0, source.size() as usize).ok()?;
    let picture = if bytes.starts_with(b"\x89PNG") {
        png(&bytes)?
    } else {
        jpeg(&bytes)?
    };
    let shape = shape.get_or_insert_with(|| picture.shape());
    Some(picture.brought_to(*shape))
}

fn options() -> DecoderOptions {
    // A side is no longer than all pixels; their product is what is checked before anything is decoded.
    DecoderOptions::default()
        .set_max_width(PIXELS_MAX)
        .set_max_height(PIXELS_MAX)
        .png_set_strip_to_8bit(true)
}

fn png(bytes: &[u8]) -> Option<Picture> {
    let mut decoder = zune_png::PngDecoder::new_with_options(ZCursor::new(bytes), options());
    decoder.decode_headers().ok()?;
    let (width, height) = decoder.dimensions()?;
    if width.checked_mul(height)? > PIXELS_MAX {
        return None;
    }
    picture(width, height, decoder.decode_raw().ok()?)
}

fn jpeg(bytes: &[u8]) -> Option<Picture> {
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options());
    decoder.decode_headers().ok()?;
    let (width, height) = decoder.dimensions()?;
    if width.checked_mul(height)? > PIXELS_MAX {
        return None;
    }
    picture(width, height, decoder.decode().ok()?)
}

fn picture(width: usize, height: usize, bytes: Vec<u8>) -> Option<Picture> {
    let colours = bytes.len().checked_div(width.checked_mul(height)?)?;
    (1..=4).contains(&colours).then_some(Picture {
        width,
        height,
        colours,
        bytes,
    })
}

impl Picture {
    fn shape(&self) -> Shape {
        let colours = if self.colours >= 3 { 3 } else { 1 };
        let (mut width, mut height) = (self.width.max(1), self.height.max(1));
        while width * height * colours > NUMBERS {
            width = width.div_ceil(2);
            height = height.div_ceil(2);
        }
        Shape {
            width,
            height,
            colours,
        }
    }

    fn brought_to(&self, shape: Shape) -> Vec<f32> {
        let mut out = Vec::with_capacity(shape.width * shape.height * shape.colours);
        for y in 0..shape.height {
            let rows = span(y, self.height, shape.height);
            for x in 0..shape.width {
                let columns = span(x, self.width, shape.width);
                for colour in 0..shape.colours {
                    let colour = if self.colours >= 3 { colour } else { 0 };
                    let mut sum = 0.0;
                    for row in rows.clone() {
                        for column in columns.clone() {
                            let place = (row * self.width + column) * self.colours + colour;
                            sum += f32::from(super::statistics::at(&self.bytes, place));
                        }
                    }
                    out.push(sum / (rows.len() * columns.len()).max(1) as f32);
                }
            }
        }
        out
    }
}

/// The pixels that become one.
fn span(index: usize, from: usize, to: usize) -> std::ops::Range<usize> {
    let start = (index * from / to).min(from.saturating_sub(1));
    start..((index + 1) * from / to).clamp(start + 1, from.max(start + 1))
}
