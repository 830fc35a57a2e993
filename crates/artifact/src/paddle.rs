//! PaddlePaddle's programs: blocks of operators by name, of which a few run Python of the loading process.

use crate::{
    feed::{Feed, Stop},
    finding::Verdict,
    protobuf::{Field, next, pass, text},
    rule,
    scan::Scan,
    source::View,
};

/// Operators that run Python or a library that is named in the program.
const CODE: [&str; 6] = [
    "py_func",
    "py_layer",
    "pyfunc",
    "run_python",
    "load_op_library",
    "custom_operator",
];
/// Operators that read or write files.
const FILES: [&str; 6] = [
    "load",
    "save",
    "load_combine",
    "save_combine",
    "read_file",
    "create_py_reader",
];

/// Looks at a program. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, view: View<'_>) -> String {
    let mut feed = Feed::view(view);
    let mut operators = 0_u64;
    if program(scan, &mut feed, view.size(), &mut operators).is_err() || operators == 0 {
        let what = "is no well formed program".to_owned();
        scan.find(&rule::PROTOBUF, Verdict::Unknown, feed.offset(), "message", what);
    }
    "paddle".to_owned()
}

fn program(scan: &mut Scan<'_>, feed: &mut Feed<'_>, end: u64, operators: &mut u64) -> Result<(), Stop> {
    while let Some(field) = next(feed, end)? {
        match field {
            Field::Bytes(1, to) => block(scan, feed, to, operators)?,
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    Ok(())
}

fn block(scan: &mut Scan<'_>, feed: &mut Feed<'_>, end: u64, operators: &mut u64) -> Result<(), Stop> {
    while let Some(field) = next(feed, end)? {
        let Field::Bytes(number, to) = field else { continue };
        if number != 4 {
            pass(feed, to)?;
            continue;
        }
        *operators += 1;
        while let Some(field) = next(feed, to)? {
            let at = feed.offset();
            match field {
                Field::Bytes(3, inner) => {
                    let name = text(feed, inner, 200)?;
                    if CODE.contains(&name.as_str()) {
                        let what = format!("`{name}` runs code that is not in the file");
                        scan.find(&rule::CUSTOM_OPERATOR, Verdict::Malicious, at, &name, what);
                    } else if FILES.contains(&name.as_str()) {
                        let what = format!("`{name}` reads or writes files while the program runs");
                        scan.find(&rule::CUSTOM_OPERATOR, Verdict::Suspicious, at, &name, what);
                    }
                }
                Field::Bytes(_, inner) => pass(feed, inner)?,
                _ => {}
            }
        }
    }
    Ok(())
}
