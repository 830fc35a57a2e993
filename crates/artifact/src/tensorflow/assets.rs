//! A model's assets: files of its own folder, whose paths loaders put into nodes of the graph.

use std::collections::BTreeSet;

use super::{NAME, NAMES};
use crate::{
    feed::{Feed, Stop},
    finding::{Verdict, shown},
    format,
    protobuf::{Field, next, pass, text},
    rule,
    scan::Scan,
    source::View,
};

/// Names of the nodes that hold the paths, of a model's whole message.
pub(super) fn names(scan: &mut Scan<'_>, model: View<'_>) -> Result<BTreeSet<String>, Stop> {
    let mut feed = Feed::view(model);
    let mut names = BTreeSet::new();
    while let Some(field) = next(&mut feed, model.size())? {
        match field {
            Field::Bytes(4, to) => collection(scan, &mut feed, to, &mut names)?,
            Field::Bytes(6, to) => asset(scan, &mut feed, to, &mut names)?,
            Field::Bytes(_, to) => pass(&mut feed, to)?,
            _ => {}
        }
    }
    Ok(names)
}

/// Where models of TensorFlow 1 keep them: a list of messages of any type, under this name.
fn collection(
    scan: &mut Scan<'_>,
    feed: &mut Feed<'_>,
    end: u64,
    names: &mut BTreeSet<String>,
) -> Result<(), Stop> {
    let mut key = String::new();
    while let Some(field) = next(feed, end)? {
        match field {
            Field::Bytes(1, to) => key = text(feed, to, NAME)?,
            Field::Bytes(2, to) if key == "saved_model_assets" => {
                // The collection, its list, the list's values, and what each holds.
                inside(feed, to, &[5, 1, 2], &mut |feed, to| asset(scan, feed, to, names))?;
            }
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    Ok(())
}

/// Follows fields into fields, and hands over the innermost.
fn inside(
    feed: &mut Feed<'_>,
    end: u64,
    path: &[u32],
    each: &mut dyn FnMut(&mut Feed<'_>, u64) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let Some((first, rest)) = path.split_first() else {
        return each(feed, end);
    };
    while let Some(field) = next(feed, end)? {
        match field {
            Field::Bytes(number, to) if number == *first => inside(feed, to, rest, each)?,
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    Ok(())
}

/// One asset: the tensor that holds its path, and its name in the folder of assets.
fn asset(
    scan: &mut Scan<'_>,
    feed: &mut Feed<'_>,
    end: u64,
    names: &mut BTreeSet<String>,
) -> Result<(), Stop> {
    while let Some(field) = next(feed, end)? {
        match field {
            Field::Bytes(1, to) => {
                while let Some(field) = next(feed, to)? {
                    match field {
                        Field::Bytes(1, to) if names.len() < NAMES => {
                            let tensor = text(feed, to, NAME)?;
                            names.insert(tensor.split(':').next().unwrap_or_default().to_owned());
                        }
                        Field::Bytes(_, to) => pass(feed, to)?,
                        _ => {}
                    }
                }
            }
            Field::Bytes(2, to) => {
                let at = feed.offset();
                let name = text(feed, to, NAME)?;
                if format::leads_out(&name) {
                    let what = format!(
                        "an asset is `{}`, outside of the model",
                        shown(name.as_bytes(), 200)
                    );
                    scan.find(&rule::TRAVERSAL, Verdict::Malicious, at, "asset", what);
                }
            }
            Field::Bytes(_, to) => pass(feed, to)?,
            _ => {}
        }
    }
    Ok(())
}
