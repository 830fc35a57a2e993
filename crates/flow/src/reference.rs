//! A slow memory that keeps every leaf in one list and looks each argument up by reading the whole list again.
//!
//! It shares the canonical forms and nothing of the bookkeeping: no map, no budget, no order. On traces that fit the
//! budget, the fast path must give the same source for every argument (`tests/laws.rs`).

use std::collections::BTreeMap;

use bartizan_types::flow::Source;
use serde_json::Value;

use crate::{
    assess::Assessment,
    canon::{self, Kind},
    manifest::{Class, Manifest},
    memory::Content,
    prompt,
};

/// Everything a session read, in order.
#[derive(Debug, Clone, Default)]
pub struct Log {
    prompts: Vec<String>,
    leaves: Vec<(String, Source)>,
    tainted: bool,
}

impl Log {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Text that the human typed.
    pub fn prompt(&mut self, text: &str) {
        self.prompts.push(text.to_owned());
    }
    /// A result, as [`Memory::result`](crate::Memory::result) takes it.
    pub fn result(&mut self, manifest: &Manifest, call: Option<&Assessment>, content: Content<'_>) {
        let echoes = call.map(Assessment::echoes).unwrap_or_default();
        match content {
            Content::Error(_) => self.tainted = true,
            Content::Text(text) => self.leaf(manifest, &[], text, &echoes),
            Content::Json(value) => self.each(manifest, &[], value, &echoes),
        }
    }

    fn each(&mut self, manifest: &Manifest, path: &[String], value: &Value, echoes: &BTreeMap<&str, Source>) {
        let deeper = |key: &str| path.iter().cloned().chain([key.to_owned()]).collect::<Vec<_>>();
        match value {
            Value::Object(map) => map
                .iter()
                .for_each(|(key, inner)| self.each(manifest, &deeper(key), inner, echoes)),
            Value::Array(list) => list.iter().enumerate().for_each(|(at, inner)| {
                self.each(
                    manifest,
                    &deeper(&if at < 16 { at.to_string() } else { "16+".into() }),
                    inner,
                    echoes,
                );
            }),
            Value::String(text) => self.leaf(manifest, path, text, echoes),
            Value::Number(number) => self.leaf(manifest, path, &number.to_string(), echoes),
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn leaf(&mut self, manifest: &Manifest, path: &[String], text: &str, echoes: &BTreeMap<&str, Source>) {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let source = match manifest.class(&keys) {
            Class::Trusted => Source::Trusted,
            Class::Directory => Source::Directory,
            Class::Structured | Class::Sender => Source::Structured,
            Class::Member | Class::FreeText | Class::Secret => Source::FreeText,
        };
        self.tainted |= !source.vouched();
        let mut parts = vec![text.to_owned()];
        if source.vouched() {
            parts.extend(
                keys.last()
                    .filter(|key| !key.starts_with(|c: char| c.is_ascii_digit()))
                    .map(|k| (*k).to_owned()),
            );
            for line in text.lines().take(512) {
                parts.push(line.to_owned());
                for part in line.split([',', ';']).take(64) {
                    parts.push(part.to_owned());
                    parts.extend(part.split_once(": ").map(|(_, value)| value.to_owned()));
                }
            }
        }
        for part in parts {
            let echoed = canon::canonical(&part)
                .ok()
                .and_then(|c| echoes.get(&*c.key).copied());
            self.leaves.push((part, echoed.map_or(source, |e| source.max(e))));
        }
    }

    /// The best source of one whole value (tiers 0 to 2).
    #[must_use]
    pub fn find(&self, text: &str) -> Source {
        if text.trim().is_empty() {
            return Source::Empty;
        }
        let made_up = if self.tainted {
            Source::FreeText
        } else {
            Source::Nowhere
        };
        let Ok(value) = canon::canonical(text) else {
            return made_up;
        };
        let mut best = made_up;
        for (leaf, source) in &self.leaves {
            if *source <= Source::Structured && canon::canonical(leaf).is_ok_and(|c| c.key == value.key) {
                best = best.min(*source);
            }
        }
        if self.prompts.iter().any(|p| in_prompt(p, &value)) {
            Source::Prompt
        } else {
            best
        }
    }
}

fn in_prompt(text: &str, value: &canon::Canonical) -> bool {
    // The fast path's own reading of one prompt at a time; what differs is that nothing was kept.
    let mut typed = prompt::Prompt::default();
    typed.add(text);
    if typed.typed_value(&value.key).is_some() {
        return true;
    }
    let folded = value.key.get(2..).unwrap_or_default();
    let long = folded.chars().count() >= 3 && !folded.bytes().all(|b| b.is_ascii_digit());
    value.kind == Kind::Text && (long && typed.holds(folded) || typed.is_id(folded))
}
