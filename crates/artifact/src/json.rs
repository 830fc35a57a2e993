//! JSON as a tree that keeps its order and refuses what two readers would read differently: a key that is there twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::{
    called, config, coreml, exported, expression, finding::Verdict, hub, keras, rule, scan::Scan, template,
};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// Any number; its value matters nowhere but in headers.
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(items) => items.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number without a fraction, from nought on.
    pub(crate) fn whole(&self) -> Option<u64> {
        match self {
            Self::Number(number) if *number >= 0.0 && number.fract() == 0.0 && *number < 9e15 => {
                Some(*number as u64)
            }
            _ => None,
        }
    }

    /// Visits every object and text below, each with its key.
    pub(crate) fn walk<'j>(&'j self, key: &'j str, visit: &mut dyn FnMut(&'j str, &'j Self)) {
        visit(key, self);
        match self {
            Self::List(values) => values.iter().for_each(|value| value.walk(key, visit)),
            Self::Object(items) => items.iter().for_each(|(key, value)| value.walk(key, visit)),
            _ => {}
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some((key, value)) = map.next_entry::<String, Json>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom("a key is there twice"));
            }
            items.push((key, value));
        }
        Ok(Json::Object(items))
    }
}

/// Parses a document, or says why not.
pub(crate) fn parse(scan: &mut Scan<'_>, bytes: &[u8]) -> Option<Json> {
    match serde_json::from_slice(bytes) {
        Ok(json) => Some(json),
        Err(fault) => {
            let twice = fault.to_string().contains("twice");
            let severity = if twice {
                Verdict::Suspicious
            } else {
                Verdict::Unknown
            };
            let what = format!(
                "line {}, column {}: {}",
                fault.line(),
                fault.column(),
                if twice {
                    "a key is there twice; readers take either"
                } else {
                    "not JSON, or nested too deep"
                }
            );
            scan.find(&rule::JSON_BROKEN, severity, 0, "document", what);
            None
        }
    }
}

/// Whether these bytes are one document.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Json>(bytes).is_ok()
}

/// A JSON file of unknown purpose: configurations of models are known by their keys.
pub(crate) fn file(scan: &mut Scan<'_>, bytes: &[u8], name: &str) -> String {
    let last = name.rsplit(['/', '!']).next().unwrap_or_default();
    if !last.ends_with(".json") && !bytes.trim_ascii_end().ends_with(b"}") && !is_one(bytes) {
        // JSON lines, or text that begins with a brace.
        return "text".to_owned();
    }
    let Some(json) = parse(scan, bytes) else {
        return "json".to_owned();
    };
    document(scan, &json, last)
}

/// A document, of JSON or as YAML has it. Returns what it is.
pub(crate) fn document(scan: &mut Scan<'_>, json: &Json, last: &str) -> String {
    let mut found = Vec::new();
    templates(json, false, &mut found);
    for text in found {
        template::judge(scan, "chat_template", text);
    }
    hub::judge(scan, json, last);
    if last.eq_ignore_ascii_case("mlmodel") {
        hub::mlmodel(scan, json);
    }
    exported::judge(scan, json);
    coreml::manifest(scan, json);
    let keras = json.get("class_name").is_some() && json.get("config").is_some();
    if keras {
        keras::judge(scan, json);
        return "keras json".to_owned();
    }
    config::targets(scan, json);
    called::judge(scan, json, last);
    expression::judge(scan, json);
    "json".to_owned()
}

/// Texts below a key that says that they are templates.
fn templates<'j>(json: &'j Json, named: bool, found: &mut Vec<&'j str>) {
    match json {
        Json::Text(text) if named && (text.contains("{{") || text.contains("{%")) => found.push(text),
        Json::List(values) => values.iter().for_each(|value| templates(value, named, found)),
        Json::Object(items) => {
            for (key, value) in items {
                let words = ["template", "prompt", "jinja", "chat"];
                templates(value, named || words.iter().any(|word| key.contains(word)), found);
            }
        }
        _ => {}
    }
}
