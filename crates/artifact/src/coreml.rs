//! Core ML: a message, and the package around it. What is custom in it runs native code of the app; what is linked lies
//! elsewhere.

use crate::{
    feed::{Feed, Stop},
    finding::{Verdict, shown},
    format,
    json::Json,
    protobuf::{Field, next, pass, text},
    rule,
    scan::Scan,
    source::View,
};

/// Bytes of a path, and paths of a link.
const NAME: usize = 4096;
const PLACES: usize = 64;

/// Core ML: a message; what is custom in it runs native code of the app.
pub(crate) fn read(scan: &mut Scan<'_>, view: View<'_>) -> String {
    let mut feed = Feed::view(view);
    let mut kinds = 0;
    if model(scan, &mut feed, view.size(), 0, &mut kinds).is_err() || kinds == 0 {
        let what = "is no well formed model".to_owned();
        scan.find(&rule::PROTOBUF, Verdict::Unknown, feed.offset(), "message", what);
    }
    "core ml".to_owned()
}

fn model(
    scan: &mut Scan<'_>,
    feed: &mut Feed<'_>,
    end: u64,
    depth: u32,
    kinds: &mut u32,
) -> Result<(), Stop> {
    if depth > 8 {
        return Err(Stop::TooMuch);
    }
    while let Some(field) = next(feed, end)? {
        let Field::Bytes(number, to) = field else { continue };
        *kinds += u32::from(number >= 200);
        let at = feed.offset();
        match number {
            555 => {
                let what = "the model is a class of the app that loads it".to_owned();
                scan.find(&rule::CUSTOM_OPERATOR, Verdict::Unknown, at, "customModel", what);
                pass(feed, to)?;
            }
            556 => linked(scan, feed, to)?,
            // Pipelines hold models; those for classes and numbers hold a pipeline.
            200 | 201 => {
                while let Some(field) = next(feed, to)? {
                    match field {
                        Field::Bytes(1, inner) => pipeline(scan, feed, inner, depth, kinds)?,
                        Field::Bytes(_, inner) => pass(feed, inner)?,
                        _ => {}
                    }
                }
            }
            202 => pipeline(scan, feed, to, depth, kinds)?,
            303 | 403 | 500 => network(scan, feed, to)?,
            _ => pass(feed, to)?,
        }
    }
    Ok(())
}

/// A model in another file, which is found by its name along a path.
fn linked(scan: &mut Scan<'_>, feed: &mut Feed<'_>, end: u64) -> Result<(), Stop> {
    let at = feed.offset();
    let mut places = Vec::new();
    while let Some(field) = next(feed, end)? {
        let Field::Bytes(1, to) = field else { continue };
        while let Some(field) = next(feed, to)? {
            let Field::Bytes(_, to) = field else { continue };
            while let Some(field) = next(feed, to)? {
                match field {
                    Field::Bytes(1, to) if places.len() < PLACES => places.push(text(feed, to, NAME)?),
                    Field::Bytes(_, to) => pass(feed, to)?,
                    _ => {}
                }
            }
        }
    }
    let away = places
        .iter()
        .flat_map(|path| path.split(':'))
        .find(|path| format::leads_out(path));
    let (severity, what) = match away {
        Some(path) => (
            Verdict::Suspicious,
            format!("is a model elsewhere, `{}`", shown(path.as_bytes(), 200)),
        ),
        None => (Verdict::Unknown, "is a model in another file".to_owned()),
    };
    scan.find(&rule::TRAVERSAL, severity, at, "linkedModel", what);
    Ok(())
}

/// `Manifest.json` of a package: where its items lie.
pub(crate) fn manifest(scan: &mut Scan<'_>, json: &Json) {
    let Some(items) = json.get("itemInfoEntries") else {
        return;
    };
    items.walk("", &mut |key, value| {
        if let ("path", Some(path)) = (key, value.text())
            && format::leads_out(path)
        {
            let path = shown(path.as_bytes(), 200);
            let what = format!("reads `{path}`, which is not in the package");
            scan.find(&rule::TRAVERSAL, Verdict::Suspicious, 0, &path, what);
        }
    });
}

fn pipeline(
    scan: &mut Scan<'_>,
    feed: &mut Feed<'_>,
    end: u64,
    depth: u32,
    kinds: &mut u32,
) -> Result<(), Stop> {
    while let Some(field) = next(feed, end)? {
        let Field::Bytes(number, to) = field else { continue };
        match number {
            1 => model(scan, feed, to, depth + 1, kinds)?,
            _ => pass(feed, to)?,
        }
    }
    Ok(())
}

fn network(scan: &mut Scan<'_>, feed: &mut Feed<'_>, end: u64) -> Result<(), Stop> {
    while let Some(field) = next(feed, end)? {
        let Field::Bytes(number, to) = field else { continue };
        if number != 1 {
            pass(feed, to)?;
            continue;
        }
        while let Some(field) = next(feed, to)? {
            let Field::Bytes(number, inner) = field else {
                continue;
            };
            if number == 500 {
                let what = "a layer is a class of the app that loads the model".to_owned();
                scan.find(
                    &rule::CUSTOM_OPERATOR,
                    Verdict::Unknown,
                    feed.offset(),
                    "custom layer",
                    what,
                );
            }
            pass(feed, inner)?;
        }
    }
    Ok(())
}
