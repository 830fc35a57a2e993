//! Brace expansion: `{a,b}` makes two words before anything else is looked at.

use super::{
    Unclear,
    syntax::{Part, Word},
};

/// Most words that one word may become.
const MOST: usize = 256;

/// The words that this one is after brace expansion. A sequence (`{1..9}`) is one word of unknown text.
pub(super) fn expand(word: Word) -> Result<Vec<Word>, Unclear> {
    match word
        .parts
        .iter()
        .filter(|part| matches!(part, Part::Mark(_)))
        .count()
    {
        0 => return Ok(vec![word]),
        1..=MOST => {}
        _ => return Err(Unclear::Bound),
    }
    let quoted = word.quoted;
    let mut done = Vec::new();
    let mut left = vec![word.parts];
    while let Some(parts) = left.pop() {
        if done.len() + left.len() > MOST {
            return Err(Unclear::Bound);
        }
        match first(&parts) {
            None => done.push(Word {
                parts: settle(parts),
                quoted,
            }),
            Some((open, close, commas)) => {
                let before = parts.get(..open).unwrap_or_default();
                let after = parts.get(close + 1..).unwrap_or_default();
                let mut from = open + 1;
                let mut made = Vec::new();
                for end in commas.into_iter().chain([close]) {
                    let inner = parts.get(from..end).unwrap_or_default();
                    made.push([before, inner, after].concat());
                    from = end + 1;
                }
                // The last is taken first, so that the words come out in order.
                left.extend(made.into_iter().rev());
            }
        }
    }
    Ok(done)
}

/// The first pair of braces with a comma between them at their own level.
fn first(parts: &[Part]) -> Option<(usize, usize, Vec<usize>)> {
    for (open, part) in parts.iter().enumerate() {
        if *part != Part::Mark('{') {
            continue;
        }
        let mut depth = 0_usize;
        let mut commas = Vec::new();
        for (at, part) in parts.iter().enumerate().skip(open + 1) {
            match part {
                Part::Mark('{') => depth += 1,
                Part::Mark('}') if depth == 0 && commas.is_empty() => break,
                Part::Mark('}') if depth == 0 => return Some((open, at, commas)),
                Part::Mark('}') => depth -= 1,
                Part::Mark(',') if depth == 0 => commas.push(at),
                _ => {}
            }
        }
    }
    None
}

/// Braces that expand to nothing are text; a sequence in braces is unknown.
fn settle(parts: Vec<Part>) -> Vec<Part> {
    let sequence = parts.windows(3).any(
        |three| matches!(three, [Part::Mark('{'), Part::Text(text), Part::Mark('}')] if text.contains("..")),
    );
    if sequence {
        return parts
            .into_iter()
            .map(|part| match part {
                Part::Mark(_) => Part::Unknown,
                other => other,
            })
            .collect();
    }
    let mut word = Word::default();
    for part in parts {
        match part {
            Part::Mark(c) => word.push(c),
            Part::Text(text) => text.chars().for_each(|c| word.push(c)),
            other => word.parts.push(other),
        }
    }
    word.parts
}
