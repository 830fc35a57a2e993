//! XML models: OpenVINO's networks and PMML. Tags are looked at, one by one; entities are refused, not expanded.

use crate::{
    encoding,
    finding::{Verdict, shown},
    names, page, program, rule,
    scan::Scan,
};

/// Looks at a document. Returns what it is.
pub(crate) fn read(scan: &mut Scan<'_>, bytes: &[u8]) -> String {
    let text = decoded(bytes);
    if is_page(&text) {
        page::value(scan, 0, "page", &text);
        return "html".to_owned();
    }
    let mut kind = "xml";
    contents(scan, &text);
    unusual(scan, &text);
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
            "CustomLayer" => kind = "openvino",
            "PMML" => kind = "pmml",
            _ => {}
        }
        declaration(scan, place, &name, tag);
        native(scan, place, kind, &name, tag);
        if kind == "openvino" && matches!(name.as_str(), "kernel" | "CustomLayer" | "library") {
            let what = format!("`{name}` names a program for the device");
            scan.find(&rule::XML_EXTENSION, Verdict::Suspicious, place, &name, what);
        }
        if reaches(kind, &name, tag) {
            let what = format!("`{}` reaches for code or files", shown(tag.as_bytes(), 120));
            scan.find(&rule::XML_EXTENSION, Verdict::Suspicious, place, &name, what);
        }
    }
    kind.to_owned()
}

/// A layer, or a function, that only a library has which is not in the file.
fn native(scan: &mut Scan<'_>, place: u64, kind: &str, name: &str, tag: &str) {
    let value = |name: &str| attribute(tag, name).unwrap_or_default();
    let (needs, what) = match (kind, name) {
        ("openvino", "layer") => {
            let (version, operator) = (value("version"), value("type"));
            let known = version.starts_with("opset")
                || matches!(version.as_str(), "experimental" | "ie_internal_opset" | "");
            let own = ["extension", "python", "custom"]
                .iter()
                .any(|own| operator.eq_ignore_ascii_case(own));
            let what = format!("layer `{operator}` of `{version}` needs a native library");
            (!known || own, what)
        }
        // PMML's own functions have plain names; one with dots is a class of Java's.
        ("pmml", _) if name.rsplit(':').next() == Some("Apply") => {
            let function = value("function");
            let own = function.contains('.') && !function.starts_with("org.jpmml.");
            (
                own,
                format!("calls `{function}`, a class that is not in the file"),
            )
        }
        _ => return,
    };
    if needs {
        let what = shown(what.as_bytes(), 200);
        scan.find(&rule::XML_EXTENSION, Verdict::Unknown, place, name, what);
    }
}

/// An encoding that is not read here, and by some readers is: then they see another document.
fn unusual(scan: &mut Scan<'_>, text: &str) {
    const KNOWN: [&str; 10] = [
        "utf-8",
        "utf8",
        "utf-16",
        "utf-16le",
        "utf-16be",
        "us-ascii",
        "ascii",
        "iso-8859-1",
        "latin1",
        "windows-1252",
    ];
    let start = text.trim_start_matches('\u{feff}');
    let declared = start.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
    let Some(encoding) = declared.and_then(|(said, _)| attribute(said, "encoding")) else {
        return;
    };
    if !KNOWN.contains(&encoding.to_lowercase().as_str()) {
        let what = format!("is written in `{encoding}`, which is not read here");
        scan.find(&rule::TWO_READINGS, Verdict::Unknown, 0, "encoding", what);
    }
}

/// Whether a tag reaches for code or files.
fn reaches(kind: &str, name: &str, tag: &str) -> bool {
    let words = [
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
    words.iter().any(|word| tag.contains(word))
        || name.ends_with(":include")
        || foreign
        || name.eq_ignore_ascii_case("?xml-stylesheet")
        || kind == "openvino"
            && (attribute(tag, "library").is_some()
                || attribute(tag, "implementation").is_some_and(|file| file.contains('.')))
        || ["script", "stylesheet", "xsl:transform"].iter().any(|word| {
            name.eq_ignore_ascii_case(word)
                || name
                    .rsplit(':')
                    .next()
                    .is_some_and(|last| last.eq_ignore_ascii_case(word))
        })
        || page::within(&format!("<{tag}>")).is_some()
}

/// A document type or an entity: readers fetch what it names.
fn declaration(scan: &mut Scan<'_>, place: u64, name: &str, tag: &str) {
    let upper = name.to_uppercase();
    if upper.starts_with("!DOCTYPE") || upper.starts_with("!ENTITY") {
        let what = "declares a document type; readers fetch or expand what it says".to_owned();
        let lower = tag.to_lowercase();
        let html = lower.starts_with("!doctype html");
        // What drawing programs and Apple's lists begin with: readers know it without a look.
        let known = ["//www.w3.org/", "//www.apple.com/dtds/"]
            .iter()
            .any(|host| lower.contains(host));
        let plain =
            known && lower.starts_with("!doctype") && !lower.contains(['[', '%']) && !lower.contains("file:");
        if !html && !plain {
            scan.find(&rule::XML_ENTITY, Verdict::Malicious, place, &upper, what);
        }
    }
}

/// A page for people, by how it begins.
fn is_page(text: &str) -> bool {
    let start: String = text
        .trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t'])
        .chars()
        .take(512)
        .collect();
    let start = start.to_lowercase();
    let tags = [
        "<!doctype html",
        "<html",
        "<head",
        "<body",
        "<div",
        "<style",
        "<script",
        "<p>",
        "<p ",
        "<h1",
        "<center",
        "<img",
        "<table",
        "<span",
        "<a ",
        "<link",
        "<meta",
        "<title",
        "<main",
        "<section",
        "<button",
        "<br",
    ];
    tags.iter().any(|tag| start.starts_with(tag)) || start.starts_with("<!--") && start.contains("<html")
}

/// What stands between tags, and in their attributes: programs and encoded ones.
fn contents(scan: &mut Scan<'_>, text: &str) {
    let mut at = 0_u64;
    let mut last = String::from("text");
    for part in text.split('<') {
        let (tag, words) = part.split_once('>').unwrap_or(("", part));
        let name = tag
            .split([' ', '\n', '\t', '/'])
            .find(|name| !name.is_empty())
            .unwrap_or_default();
        if !name.is_empty() && !name.starts_with(['!', '?']) {
            name.clone_into(&mut last);
        }
        let cdata = part.strip_prefix("![CDATA[");
        for text in [Some(words), Some(tag), cdata].into_iter().flatten() {
            if text.len() > 5 {
                program::judge(scan, at, &last, text);
                names::value(scan, at, &last, text);
            }
        }
        at += part.len() as u64 + 1;
    }
    encoding::judge(scan, 0, "text", text);
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

/// The value of an attribute, with blanks and breaks where the language allows them.
fn attribute(tag: &str, name: &str) -> Option<String> {
    tag.match_indices(name).find_map(|(at, _)| {
        let before = tag.get(..at)?.chars().next_back()?;
        let rest = tag.get(at + name.len()..)?.trim_start();
        let rest = rest.strip_prefix('=')?.trim_start();
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let apart = before.is_whitespace() || matches!(before, '"' | '\'');
        apart
            .then(|| rest.get(1..).and_then(|rest| rest.split(quote).next()))?
            .map(str::to_owned)
    })
}
