//! `tools diff`: what changed, what is new, and what can't be used, each with what an operator can do about it. A command
//! that is printed works when it is pasted, whatever the server called the thing.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::array;
use crate::{
    failure::Failure,
    link::Link,
    output::Output,
    verb::{safe, text},
};

/// Runs the verb.
pub(crate) async fn run(out: Output, link: &Link, server: Option<&str>) -> Result<(), Failure> {
    let mut answer = link.read("/v1/tools/diff").await?;
    let mut empty = true;
    for key in ["changes", "new", "unusable"] {
        if let Some(found) = answer[key].as_array_mut() {
            found.retain(|one| server.is_none_or(|server| one["server"] == server));
            empty &= found.is_empty();
        }
    }
    if empty {
        out.remark("nothing differs from its pin, and nothing is new");
    }
    out.emit(&answer, |out| told(out, &answer))
}

fn told(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    for change in array(&answer["changes"]) {
        head(out, change, "")?;
        for line in array(&change["changes"]) {
            writeln!(out, "  {}", text(line))?;
        }
        accept(out, change)?;
    }
    for new in array(&answer["new"]) {
        head(out, new, "  new: it appeared after the first listing")?;
        if let Some(name) = pasted(&format!("{}/{}", text(&new["server"]), text(&new["item"]))) {
            writeln!(out, "  to read it    bartizan tools show {name}")?;
        }
        accept(out, new)?;
    }
    for bad in array(&answer["unusable"]) {
        let why = format!("  withheld: {}; the server has to mend it", text(&bad["why"]));
        head(out, bad, &why)?;
    }
    Ok(())
}

fn head(out: &mut dyn Write, one: &Value, says: &str) -> io::Result<()> {
    let yellow: Style = AnsiColor::Yellow.on_default();
    let (server, item) = (text(&one["server"]), text(&one["item"]));
    writeln!(out, "{yellow}{}/{}{yellow:#}{says}", safe(&server), safe(&item))
}

/// The command that accepts exactly this.
fn accept(out: &mut dyn Write, one: &Value) -> io::Result<()> {
    match pasted(&text(&one["item"])) {
        Some(item) => writeln!(
            out,
            "  to accept it  bartizan tools approve {} {item}",
            text(&one["server"])
        ),
        None => writeln!(
            out,
            "  its name can't be typed: only the admin API can accept it alone"
        ),
    }
}

/// A word as a shell takes it, or nothing where a terminal could not show it as it is. A server chose it: it must
/// never be more than one word to the shell.
fn pasted(word: &str) -> Option<String> {
    if safe(word) != word {
        return None;
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+,".contains(&byte);
    Some(match word.bytes().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_to_be_pasted_is_one_word_and_exact() {
        assert_eq!(pasted("tool:pay").unwrap(), "tool:pay");
        assert_eq!(pasted("identity:").unwrap(), "identity:");
        assert_eq!(
            pasted("resource:x://a;rm -rf ~").unwrap(),
            "'resource:x://a;rm -rf ~'"
        );
        assert_eq!(pasted("resource:$(a)'b").unwrap(), r"'resource:$(a)'\''b'");
        assert_eq!(pasted("resource:a\u{1b}[2J"), None);
        assert_eq!(pasted("resource:a\u{202e}b"), None);
    }

    #[test]
    fn each_thing_is_told_with_its_remedy() {
        let answer = json!({
            "changes": [{ "server": "alpha", "item": "identity:", "changes": ["~ /name: \"a\" → \"b\""] }],
            "new": [{ "server": "alpha", "item": "tool:wipe" }],
            "unusable": [{ "server": "alpha", "item": "tool:odd", "why": "its name stands twice in the server's list" }],
        });
        let mut out = anstream::StripStream::new(Vec::new());
        told(&mut out, &answer).unwrap();
        let said = String::from_utf8(out.into_inner()).unwrap();
        for line in [
            "alpha/identity:",
            "  to accept it  bartizan tools approve alpha identity:",
            "alpha/tool:wipe  new: it appeared after the first listing",
            "  to read it    bartizan tools show alpha/tool:wipe",
            "  to accept it  bartizan tools approve alpha tool:wipe",
            "alpha/tool:odd  withheld: its name stands twice in the server's list; the server has to mend it",
        ] {
            assert!(said.lines().any(|one| one == line), "{line}: {said}");
        }
    }
}
