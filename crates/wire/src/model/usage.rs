//! Usage that we asked a chat stream for and the agent did not: taken out again, so that it sees the bytes it would have
//! seen. The last chunk that holds nothing else goes, and in the others the member that says `null`.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::json::Object;

#[derive(Deserialize)]
struct Chunk<'a> {
    choices: Option<Vec<IgnoredAny>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// An event of a chat stream, without what nobody but us asked for. `None`: nothing of it is left.
pub(super) fn without<'e>(raw: &'e [u8], data: Option<&str>) -> Option<Cow<'e, [u8]>> {
    let whole = Some(Cow::Borrowed(raw));
    let Some(data) = data.filter(|data| data.contains("usage")) else {
        return whole;
    };
    let Ok(Object(chunk)) = serde_json::from_str::<Object<Chunk<'_>>>(data) else {
        return whole;
    };
    match (chunk.choices, chunk.usage) {
        (Some(choices), Some(usage)) if choices.is_empty() && usage.get() != "null" => None,
        _ => Some(nullless(raw).map_or(Cow::Borrowed(raw), Cow::Owned)),
    }
}

/// The block without a top-level `"usage":null`, where there is one.
fn nullless(raw: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(raw).ok()?;
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match (quoted, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => {
                if !quoted
                    && depth == 1
                    && let Some(end) = null_member(text, at)
                {
                    return Some(cut(text, at, end));
                }
                quoted = !quoted;
            }
            (false, b'{' | b'[') => depth = depth.saturating_add(1),
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The end of a member `"usage": null` that begins here.
fn null_member(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?.strip_prefix("\"usage\"")?;
    let rest = rest.trim_ascii_start().strip_prefix(':')?.trim_ascii_start();
    let rest = rest.strip_prefix("null")?;
    Some(text.len() - rest.len())
}

/// Cuts a member out, with the one comma that parted it from its neighbours.
fn cut(text: &str, start: usize, end: usize) -> Vec<u8> {
    let before = text.get(..start).unwrap_or_default();
    let after = text.get(end..).unwrap_or_default();
    let (before, after) = match (
        before.trim_ascii_end().strip_suffix(','),
        after.trim_ascii_start().strip_prefix(','),
    ) {
        (Some(shorter), _) => (shorter, after),
        (None, Some(shorter)) => (before, shorter),
        (None, None) => (before, after),
    };
    [before.as_bytes(), after.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Option<&str>) {
        let data = raw.strip_prefix("data: ").map(str::trim_end);
        let found = without(raw.as_bytes(), data).map(|bytes| String::from_utf8(bytes.into_owned()).unwrap());
        assert_eq!(found.as_deref(), expected, "{raw}");
    }

    #[test]
    fn what_was_not_asked_for_is_gone_and_nothing_else() {
        check("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n", None);
        check(
            "data: {\"id\":\"c\",\"choices\":[{\"delta\":{}}],\"usage\":null}\n\n",
            Some("data: {\"id\":\"c\",\"choices\":[{\"delta\":{}}]}\n\n"),
        );
        check(
            "data: {\"usage\" : null, \"choices\":[{}]}\n\n",
            Some("data: { \"choices\":[{}]}\n\n"),
        );
        check("data: {\"usage\":null}\r\n\r\n", Some("data: {}\r\n\r\n"));
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for raw in [
            "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":null\"}}]}\n\n",
            "data: {\"choices\":[{\"usage\":null}]}\n\n",
            // Said with words of the answer: some providers do so unasked.
            "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}\n\n",
            "data: {\"choices\":[{}],\"prompt_filter\":\"usage\"}\n\n",
            "data: [DONE]\n\n",
            ": usage\n\n",
        ] {
            check(raw, Some(raw));
        }
    }
}
