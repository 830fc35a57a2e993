//! Places on the globe in degrees, minutes and seconds.

use std::ops::Range;

use super::scan::plain;
use super::{Kind, Personal};

/// Longest angle.
const ANGLE: usize = 40;

/// Two angles in a row, north or south, then east or west.
pub(super) fn degrees(text: &str, found: &mut Vec<Personal>) {
    let mut done = 0;
    for at in memchr::memmem::find_iter(text.as_bytes(), "°") {
        if at < done {
            continue;
        }
        let digits = text.get(..at).unwrap_or_default();
        let digits = digits
            .bytes()
            .rev()
            .take_while(u8::is_ascii_digit)
            .take(3)
            .count();
        let start = at - digits;
        let Some(north) = angle(text, start, &['N', 'S']) else {
            continue;
        };
        let gap = text.get(north.end..).unwrap_or_default();
        let gap = gap.len() - gap.trim_start_matches([' ', ',', ';', '/']).len();
        let Some(east) = angle(text, north.end + gap.min(4), &['E', 'W', 'O']) else {
            continue;
        };
        done = east.end;
        found.push(plain(Kind::Coordinates, start..east.end, 900));
    }
}

/// An angle with minutes at least, and where it points.
fn angle(text: &str, start: usize, points: &[char]) -> Option<Range<usize>> {
    let end = text.floor_char_boundary(start.saturating_add(ANGLE));
    let rest = text.get(start..end)?;
    let (degrees, rest) = rest.split_once('°')?;
    let (minutes, rest) = rest.split_once(['\'', '′'])?;
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| *number >= 0.0);
    let fits = number(degrees)? <= 180.0 && number(minutes)? < 60.0;
    // Seconds, whose sign may be two of those of minutes.
    let length = rest
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'.'))
        .count();
    let seconds = rest.get(..length)?;
    let rest = rest.get(length..)?;
    let rest = if seconds.trim().is_empty() {
        rest
    } else {
        number(seconds).filter(|seconds| *seconds < 60.0)?;
        rest.trim_start_matches(['"', '″', '′', '\''])
    };
    let rest = rest.trim_start();
    let point = rest.chars().next().filter(|c| fits && points.contains(c))?;
    Some(start..end - rest.len() + point.len_utf8())
}
