//! One value of a configuration, whatever the format: what is in a text that something may run, decode, render or import.

use crate::{encoding, json::Json, names, page, program, scan::Scan, template};

/// Items of a list that are taken for one command.
const ITEMS: usize = 64;

/// A value of a document that is judged value by value.
pub(crate) fn judge(scan: &mut Scan<'_>, at: u64, key: &str, text: &str) {
    program::judge(scan, at, key, text);
    encoding::value(scan, at, key, text);
    scalar(scan, at, key, text);
}

/// The same, of a document whose lines are looked at for programs and encoded texts as a whole.
pub(crate) fn scalar(scan: &mut Scan<'_>, at: u64, key: &str, text: &str) {
    names::value(scan, at, key, text);
    page::value(scan, at, key, text);
    template::value(scan, at, key, text);
}

/// A list: numbers that are bytes, or words of a command.
pub(crate) fn list(scan: &mut Scan<'_>, key: &str, values: &[Json]) {
    encoding::numbers(scan, key, values);
    let words: Option<Vec<&str>> = values.iter().take(ITEMS).map(Json::text).collect();
    let all: Option<Vec<&str>> = values.iter().map(Json::text).collect();
    encoding::parts(scan, key, &all.unwrap_or_default());
    if let Some(words) = words.filter(|words| words.len() > 1 && values.len() <= ITEMS) {
        program::judge(scan, 0, key, &words.join(" "));
    }
}
