//! XML models: OpenVINO's networks and PMML. Tags are looked at, one by one; entities are refused, not expanded.

use crate::{finding::Verdict, program, rule, scan::Scan};

/// Looks at a document. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, bytes: &[u8]) -> String {
    let text = decoded(bytes);
    let mut kind = "xml";
    for (at, tag) in tags(&text) {
        let place = at as u64;
        let name: String = tag
            .chars()
            .take_while(|letter| !letter.is_whitespace() && *letter != '/')
            .collect();
        match name.rsplit(':').next().unwrap_or_default() {
            "net" => {
                kind = "openvino";
                scan.refer_beside("bin");
            }
            "PMML" => kind = "pmml",
            _ => {}
        }
        let upper = name.to_uppercase();
        if upper.starts_with("!DOCTYPE") || upper.starts_with("!ENTITY") {
            let what = "declares a document type; readers fetch or expand what it says".to_owned();
            let html = tag.to_lowercase().starts_with("!doctype html");
            if !html {
                scan.find(&rule::XML_ENTITY, Verdict::Malicious, place, &upper, what);
            }
        }
        if kind == "openvino" && name == "layer" {
            let version = attribute(tag, "version").unwrap_or_default();
            let operator = attribute(tag, "type").unwrap_or_default();
            let known = version.starts_with("opset")
                || matches!(version.as_str(), "experimental" | "ie_internal_opset" | "");
            if !known || operator.eq_ignore_ascii_case("extension") {
                let what = format!("layer `{operator}` of `{version}` needs a native library");
                scan.find(&rule::XML_EXTENSION, Verdict::Unknown, place, &operator, what);
            }
        }
        if kind == "openvino" && matches!(name.as_str(), "kernel" | "CustomLayer" | "library") {
            let what = format!("`{name}` names a program for the device");
            scan.find(&rule::XML_EXTENSION, Verdict::Suspicious, place, &name, what);
        }
        let reaches = [
            "file://",
            "javascript:",
            "java.lang",
            "jar:",
            "xsi:schemalocation=\"file",
            "xi:include",
            "Runtime.getRuntime",
        ];
        let foreign = name.ends_with("Extension")
            && (["script", "java", "eval(", "exec(", "system("]
                .iter()
                .any(|word| tag.contains(word))
                || program::within(tag).is_some());
        if reaches.iter().any(|word| tag.contains(word))
            || name.ends_with(":include")
            || foreign
            || name.eq_ignore_ascii_case("?xml-stylesheet")
            || kind == "openvino" && attribute(tag, "library").is_some()
            || name.eq_ignore_ascii_case("script")
        {
            let what = format!(
                "`{}` reaches for code or files",
                crate::finding::shown(tag.as_bytes(), 120)
            );
            scan.find(&rule::XML_EXTENSION, Verdict::Suspicious, place, &name, what);
        }
    }
    kind.to_owned()
}

/// UTF-16 documents say the same with other bytes.
fn decoded(bytes: &[u8]) -> String {
    let wide = |big: bool, bytes: &[u8]| {
        let words = bytes.chunks_exact(2).map(|pair| match pair {
            [a, b] if big => u16::from_be_bytes([*a, *b]),
            [a, b] => u16::from_le_bytes([*a, *b]),
            _ => 0,
        });
        char::decode_utf16(words)
            .map(|letter| letter.unwrap_or('?'))
            .collect()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(false, rest),
        [0xfe, 0xff, rest @ ..] => wide(true, rest),
        [b'<', 0, ..] => wide(false, bytes),
        [0, b'<', ..] => wide(true, bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// What is between `<` and `>`, without comments.
fn tags(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text
        .get(from..)
        .and_then(|rest| rest.find('<'))
        .map(|at| from + at + 1)
    {
        let rest = text.get(open..).unwrap_or_default();
        let (close, is_comment) = if rest.starts_with("!--") {
            ("-->", true)
        } else {
            (">", false)
        };
        let end = rest.find(close).unwrap_or(rest.len());
        if !is_comment {
            found.push((open, rest.get(..end).unwrap_or_default()));
        }
        from = open + end;
    }
    found
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}="))?;
    let quote = rest.chars().next()?;
    rest.get(1..)?.split(quote).next().map(str::to_owned)
}
