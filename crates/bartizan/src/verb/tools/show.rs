//! `tools show`: manifests, line by line with the reason for each, and pinned definitions.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::{array, is};
use crate::{exit::Exit, failure::Failure, link::Link, output::Output, verb::text};

/// Runs the verb.
pub(crate) async fn run(out: Output, link: &Link, wanted: Option<&str>) -> Result<(), Failure> {
    let labelled = link.read("/v1/manifests").await?;
    let fits = |one: &&Value| wanted.is_none_or(|wanted| names(one, wanted));
    let manifests: Vec<&Value> = array(&labelled["manifests"]).filter(fits).collect();
    let pinned = match wanted {
        None => None,
        Some(wanted) => {
            let listed = link.read("/v1/tools").await?;
            array(&listed["tools"])
                .find(|one| is(one, wanted) || joined(one, "name") == wanted)
                .cloned()
        }
    };
    if let (Some(wanted), true, None) = (wanted, manifests.is_empty(), &pinned) {
        return Err(
            Failure::new(Exit::NotFound, format!("nothing pinned is called `{wanted}`")).hint(
                "`bartizan tools list` shows what is; a server's tools are pinned when it is first used",
            ),
        );
    }
    if manifests.is_empty() && pinned.is_none() {
        out.remark("nothing is pinned yet: a server's tools are when an agent first lists them");
    }
    let answer = json!({ "manifests": manifests, "definition": pinned });
    out.emit(&answer, |out| {
        for one in &manifests {
            manifest(out, one)?;
        }
        if let Some(pin) = &pinned {
            let (server, item) = (text(&pin["server"]), text(&pin["item"]));
            writeln!(out, "{server}/{item}  {}", text(&pin["state"]))?;
            writeln!(out, "sha256 {}", text(&pin["digest"]))?;
            writeln!(out, "{}", safe(&pin["definition"]))?;
        }
        Ok(())
    })
}

/// `SERVER__TOOL`, as agents see it behind several servers.
pub(super) fn joined(one: &Value, key: &str) -> String {
    format!("{}__{}", text(&one["server"]), text(&one[key]))
}

fn names(one: &Value, wanted: &str) -> bool {
    one["server"] == wanted
        || joined(one, "tool") == wanted
        || format!("{}/{}", text(&one["server"]), text(&one["tool"])) == wanted
}

/// A server's own words, escaped, so that they can't drive the terminal.
fn safe(value: &Value) -> String {
    crate::verb::safe(&text(value))
}

/// One line: what of, where, what it is, and why.
struct Row {
    kind: &'static str,
    path: String,
    is: String,
    because: String,
}

/// One manifest for a person.
pub(super) fn manifest(out: &mut dyn Write, one: &Value) -> io::Result<()> {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let standing = text(&one["standing"]);
    let (colour, next) = match standing.as_str() {
        "reviewed" => (AnsiColor::Green, ""),
        "inferred" => (AnsiColor::Yellow, ""),
        "drifted" => (
            AnsiColor::Red,
            "; unknown, and asks: `bartizan tools diff`, then `approve`",
        ),
        _ => (AnsiColor::Red, "; unknown, and asks, until it is reviewed anew"),
    };
    let colour = colour.on_default();
    let by = match &one["accepted_by"] {
        Value::Null => String::new(),
        by => format!(" by {}", text(by)),
    };
    let name = joined(one, "tool");
    writeln!(
        out,
        "{bold}{name}{bold:#}  {colour}{standing}{colour:#}{by}{next}"
    )?;
    let rows = rows(one);
    let width = |pick: fn(&Row) -> &String, most: usize| {
        let widths = rows.iter().map(|row| pick(row).chars().count());
        widths.max().unwrap_or(0).min(most)
    };
    let (path, is) = (width(|row| &row.path, 40), width(|row| &row.is, 12));
    for row in &rows {
        let line = format!("  {:<8}  {:<is$}  {:<path$}", row.kind, row.is, row.path);
        writeln!(out, "{line}  {dim}{}{dim:#}", row.because)?;
    }
    Ok(())
}

/// Most paths that a line tells of results that vouch for nothing; `--json` tells all. What vouches is told in full, since it
/// is what a review lets in.
const TOLD: usize = 4;

/// Leaves out all but the first paths of a line that vouches for nothing.
fn shorten(row: &mut Row) {
    let paths: Vec<&str> = row.path.split(", ").collect();
    if ["secret", "structured", "free_text"].contains(&row.is.as_str()) && paths.len() > TOLD + 1 {
        let told = paths.get(..TOLD).unwrap_or_default().join(", ");
        row.path = format!("{told} and {} more", paths.len() - TOLD);
    }
}

fn rows(one: &Value) -> Vec<Row> {
    let row = |kind, path: String, line: &Value| Row {
        kind,
        path,
        is: text(&line["is"]),
        because: text(&line["because"]),
    };
    let mut rows = vec![row("effect", String::new(), &one["effect"])];
    let mut before: Option<&Value> = None;
    for line in array(&one["arguments"]) {
        // What covers all that lies below an argument says nothing new.
        let below = before.is_some_and(|before| {
            format!("{}.**", text(&before["path"])) == text(&line["path"]) && before["is"] == line["is"]
        });
        if !below {
            rows.push(row("argument", safe(&line["path"]), line));
        }
        before = Some(line);
    }
    for line in array(&one["results"]) {
        let path = match text(&line["path"]).as_str() {
            "" => "(whole)".to_owned(),
            _ => safe(&line["path"]),
        };
        let next = row("results", path, line);
        match rows.last_mut() {
            // Those in a row that say the same share a line.
            Some(last) if last.kind == next.kind && last.is == next.is && last.because == next.because => {
                last.path.push_str(", ");
                last.path.push_str(&next.path);
            }
            _ => rows.push(next),
        }
    }
    rows.iter_mut()
        .filter(|row| row.kind == "results")
        .for_each(shorten);
    if one["public"] == true {
        rows.push(Row {
            kind: "results",
            path: "anybody may see them".to_owned(),
            is: "public".to_owned(),
            because: String::new(),
        });
    }
    rows
}
