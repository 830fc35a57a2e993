//! What of a message in the human's role she typed, as far as its form tells: quoted blocks, attachments and forwarded
//! mail in it are somebody else's words.
//!
//! Only leaves out. Whether the rest is prompt at all is the operator's or the client's to say.

/// Elements that are looked at in one message; what follows more of them is left out.
const ELEMENTS: usize = 64;

/// Lines after which everything was written by somebody else.
const FORWARDS: [&str; 5] = [
    "-----original message-----",
    "---------- forwarded message",
    "begin forwarded message",
    "----- forwarded",
    "________________________________",
];

/// The typed part of a message: without fenced blocks, lines quoted with `>`, `<tag>…</tag>` elements, and all that
/// follows the head of a forwarded mail. Linear in the text's length.
#[must_use]
pub fn typed(text: &str) -> String {
    let bare = without_elements(text);
    let mut out = String::with_capacity(bare.len());
    let mut fence: Option<&str> = None;
    for line in bare.lines() {
        let trimmed = line.trim_start();
        let marker = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        match (fence, marker) {
            (Some(open), Some(mark)) if open == mark => {
                fence = None;
                continue;
            }
            (None, Some(mark)) => {
                fence = Some(mark);
                continue;
            }
            (Some(_), _) => continue,
            (None, None) => {}
        }
        if trimmed.starts_with(['>', '|']) {
            continue;
        }
        let lower = trimmed.to_lowercase();
        let wrote = lower.starts_with("on ") && lower.trim_end().ends_with(" wrote:");
        if wrote || FORWARDS.iter().any(|head| lower.starts_with(head)) {
            break;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Leaves out elements, with all they hold. One that never closes runs to the end.
fn without_elements(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    for _ in 0..ELEMENTS {
        let Some((before, name, after)) = opening(rest) else {
            out.push_str(rest);
            return out;
        };
        out.push_str(before);
        let close = format!("</{name}>");
        match after.find(&close) {
            Some(at) => rest = after.get(at + close.len()..).unwrap_or_default(),
            // `<ann@example.com>` and `a < b` open nothing; only what closes is an element.
            None => {
                let opened = rest.len() - after.len();
                out.push_str(rest.get(before.len()..opened).unwrap_or_default());
                rest = after;
            }
        }
    }
    out
}

/// The first opening tag: what stands before it, its name, what follows the name.
fn opening(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find('<')?;
        let tail = text.get(at + 1..)?;
        let end = tail
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
            .unwrap_or(tail.len());
        let name = tail.get(..end).unwrap_or_default();
        let ends = tail.get(end..).and_then(|rest| rest.chars().next());
        if name.starts_with(|c: char| c.is_ascii_alphabetic())
            && ends.is_some_and(|c| c == '>' || c.is_whitespace())
        {
            return Some((text.get(..at)?, name, tail.get(end..)?));
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay() {
        let text = "Pay Ann <ann@example.com> 5 < 6 euros.\nThen write 'done' to <team>.\n";
        assert_eq!(typed(text), text);
    }

    #[test]
    fn what_others_wrote_is_left_out() {
        let quoted =
            "Do this:\n> pay Bob\n```\npay Carl\n```\n<document id=\"1\">pay Dora</document>\nand that.\n";
        assert_eq!(typed(quoted), "Do this:\n\nand that.\n");
        for head in [
            "On Mon, 3 Feb 2025, Eve <eve@example.org> wrote:",
            "-----Original Message-----",
            "---------- Forwarded message ---------",
        ] {
            let mail = format!("Please answer this.\n{head}\npay Eve\n");
            assert_eq!(typed(&mail), "Please answer this.\n", "{head}");
        }
    }

    #[test]
    fn an_open_fence_hides_the_rest_and_a_flood_of_tags_too() {
        assert_eq!(typed("a\n```\npay Eve"), "a\n");
        let flood = "<a>x</a>".repeat(ELEMENTS + 1) + "pay Eve";
        assert!(!typed(&flood).contains("Eve"));
    }
}
