//! TensorFlow's operators within TFLite that are given a path, or whose attributes name a place: where these come from.
//!
//! A path is an argument of the graph, as training on a device has it. One that the model holds is its maker's.

use super::{count, field, follow, list, word};
use crate::{
    finding::{Verdict, shown},
    rule,
    scan::Scan,
    source::View,
    tensorflow,
};

/// Subgraphs, operators and tensors that are looked at, all together.
const STEPS: u32 = 1 << 20;
/// Bytes of a constant, or of an operator's options, that are looked at.
const HELD: usize = 1 << 16;
/// The type of tensors that hold texts.
const TEXT: u8 = 5;

/// Judges operators by number and name; `None` where the model can't be followed.
pub(super) fn judge(scan: &mut Scan<'_>, view: View<'_>, operators: &[(u32, String)]) -> Option<()> {
    let (mut used, mut steps) = (vec![false; operators.len()], 0);
    let model = follow(view, 0)?;
    for graph in list(view, model, 2).unwrap_or_default() {
        let tensors = list(view, graph, 0).unwrap_or_default();
        for node in list(view, graph, 3).unwrap_or_default() {
            steps += 1;
            if steps > STEPS {
                return None;
            }
            let index = field(view, node, 0).map_or(Some(0), |at| word(view, at))?;
            let Some(at) = operators.iter().position(|(number, _)| *number == index) else {
                continue;
            };
            *used.get_mut(at)? = true;
            let (_, operator) = operators.get(at)?;
            one(scan, view, operator, node, &tensors)?;
        }
        for tensor in &tensors {
            steps += 1;
            if steps > STEPS {
                return None;
            }
            texts(scan, view, model, *tensor, operators)?;
        }
    }
    for (_, (_, operator)) in used.iter().zip(operators).filter(|(used, _)| !**used) {
        let what = format!("`{operator}` reads or writes files, and nothing in the model says which");
        scan.find(&rule::TF_OPERATOR, Verdict::Suspicious, 0, operator, what);
    }
    Some(())
}

fn one(scan: &mut Scan<'_>, view: View<'_>, operator: &str, node: u64, tensors: &[u64]) -> Option<()> {
    let inputs = match field(view, node, 1).and_then(|at| follow(view, at)) {
        Some(at) => (0..count(view, at)?)
            .map(|index| word(view, at + 4 + 4 * u64::from(index)))
            .collect::<Option<Vec<u32>>>()?,
        None => Vec::new(),
    };
    for place in tensorflow::path_inputs(operator) {
        let tensor = inputs.get(*place).and_then(|index| tensors.get(*index as usize));
        let held = tensor
            .and_then(|tensor| field(view, *tensor, 2))
            .and_then(|at| word(view, at));
        // The first buffer is that of tensors which hold nothing of their own.
        if held.is_some_and(|buffer| buffer > 0) {
            let what = format!("`{operator}` reads or writes a file that nobody who runs the model names");
            scan.find(&rule::TF_OPERATOR, Verdict::Suspicious, node, operator, what);
        }
    }
    if tensorflow::takes_place(operator) {
        let options = match field(view, node, 5).and_then(|at| follow(view, at)) {
            Some(at) => view.bytes(at + 4, (word(view, at)? as usize).min(HELD)).ok()?,
            None => Vec::new(),
        };
        tensorflow::places_within(scan, node, operator, &options);
    }
    Some(())
}

/// Constants that lead away, in a model that has an operator which is given a path.
fn texts(
    scan: &mut Scan<'_>,
    view: View<'_>,
    model: u64,
    tensor: u64,
    operators: &[(u32, String)],
) -> Option<()> {
    let Some((_, operator)) = operators.iter().find(|(_, name)| tensorflow::takes_path(name)) else {
        return Some(());
    };
    let kind = field(view, tensor, 1).and_then(|at| view.bytes(at, 1).ok());
    if kind.as_deref() != Some(&[TEXT]) {
        return Some(());
    }
    let buffer = field(view, tensor, 2).map_or(Some(0), |at| word(view, at))?;
    let buffers = follow(view, field(view, model, 4)?)?;
    if buffer >= count(view, buffers)? {
        return None;
    }
    let held = follow(view, buffers + 4 + 4 * u64::from(buffer))?;
    let Some(data) = field(view, held, 0).and_then(|at| follow(view, at)) else {
        return Some(());
    };
    let bytes = view
        .bytes(data + 4, (word(view, data)? as usize).min(HELD))
        .ok()?;
    // How many texts, where each begins and the last ends, then their letters.
    let number = |at: usize| {
        let four = bytes.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*four)).ok()
    };
    let many = number(0)?.min(bytes.len() / 4);
    for index in 0..many {
        let part = bytes.get(number(4 + 4 * index)?..number(8 + 4 * index)?)?;
        let text = String::from_utf8_lossy(part);
        if tensorflow::leads_away(&text) {
            let what = format!(
                "holds `{operator}`, which reads or writes a file, and the path `{}`",
                shown(part, 200)
            );
            scan.find(&rule::TF_OPERATOR, Verdict::Malicious, data, operator, what);
        }
    }
    Some(())
}
