//! Rules on calls that a harness reads to it, one JSON object a line, and answers with one line each.
//!
//! `{"reset": {"prompt", "tools", "manifests", "tenants", "owner"}}`, `{"call": {"tool", "args"}}`,
//! `{"result": {"tool", "json" | "text" | "error"}}`, `{"stats": {}}`. For offline measurement only.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a harness reads a pipe and a clock"
)]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, Write as _},
    time::Instant,
};

use bartizan_flow::{
    Assessment, Class, Content, Decision, Effect, Intent, Joined, Manifest, Memory, PathPattern, Role,
    ToolFacts, assess, decide, infer,
};
use bartizan_types::Effects;
use serde_json::{Value, json};

type Fault = Box<dyn std::error::Error>;

#[derive(Default)]
struct Session {
    memory: Memory,
    intent: Intent,
    manifests: BTreeMap<String, Manifest>,
    last: Option<Assessment>,
    micros: Vec<u64>,
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// One operator's line: effect, roles by path, classes by path, in the file's order.
fn manifest(line: &Value) -> Result<Manifest, Fault> {
    let pairs = |key: &str| line.get(key).and_then(Value::as_array).into_iter().flatten();
    let mut arguments = Vec::new();
    for pair in pairs("arguments") {
        let (path, role): (String, Role) = serde_json::from_value(pair.clone())?;
        arguments.push((PathPattern::new(&path), role));
        arguments.push((PathPattern::new(&format!("{path}.**")), role));
    }
    let mut results = Vec::new();
    for pair in pairs("results") {
        let (path, class): (String, Class) = serde_json::from_value(pair.clone())?;
        results.push((PathPattern::new(&path), class));
    }
    let effect: Effect = serde_json::from_value(line.get("effect").cloned().unwrap_or_default())?;
    Ok(Manifest {
        effect,
        arguments,
        results,
        reviewed: true,
        public: false,
        json_text: false,
        searches: false,
        codes_from: Vec::new(),
        codes: Vec::new(),
    })
}

impl Session {
    fn reset(&mut self, ask: &Value) -> Result<(), Fault> {
        let micros = std::mem::take(&mut self.micros);
        *self = Self {
            micros,
            ..Self::default()
        };
        for domain in ask.get("tenants").and_then(Value::as_array).into_iter().flatten() {
            self.memory.tenant(domain.as_str().unwrap_or_default());
        }
        self.memory.prompt(text(ask, "prompt"));
        for tool in ask.get("tools").and_then(Value::as_array).into_iter().flatten() {
            let name = text(tool, "name");
            let given = ask.get("manifests").and_then(|all| all.get(name));
            let manifest = match given {
                Some(line) => manifest(line)?,
                None => infer(&ToolFacts {
                    name,
                    description: text(tool, "description"),
                    input: tool.get("parameters").unwrap_or(&Value::Null),
                    hints: Effects::default(),
                })
                .accept(),
            };
            self.manifests.insert(name.to_owned(), manifest);
        }
        self.intent = Intent::of(&self.memory, self.manifests.keys().map(String::as_str));
        Ok(())
    }

    fn call(&mut self, ask: &Value) -> Result<Value, Fault> {
        let name = text(ask, "tool");
        let unknown = Manifest::unknown();
        let manifest = self.manifests.get(name).unwrap_or(&unknown);
        let arguments = ask.get("args").unwrap_or(&Value::Null);
        let begun = Instant::now();
        let seen = assess(&self.memory, &self.intent, name, manifest, arguments);
        let decision = decide(&seen.flow(Joined::Only));
        self.micros.push(u64::try_from(begun.elapsed().as_nanos() / 100)?);
        let answer = json!({"decision": decision, "effect": seen.effect, "called": seen.called,
            "arguments": seen.arguments.iter().map(|a| json!([a.path, a.role, a.source, a.foreign_tokens, a.rewrite])).collect::<Vec<_>>()});
        if decision != Decision::Allow {
            self.memory.refused(&seen);
        }
        self.last = Some(seen);
        Ok(answer)
    }

    fn result(&mut self, ask: &Value) {
        let unknown = Manifest::unknown();
        let manifest = self.manifests.get(text(ask, "tool")).unwrap_or(&unknown);
        let content = match (ask.get("json"), ask.get("error")) {
            (Some(value), _) => Content::Json(value),
            (None, Some(_)) => Content::Error(text(ask, "error")),
            (None, None) => Content::Text(text(ask, "text")),
        };
        self.memory.result(manifest, self.last.as_ref(), content);
    }

    fn stats(&mut self) -> Value {
        self.micros.sort_unstable();
        let at = |part: usize| {
            self.micros
                .get(self.micros.len() * part / 1000)
                .map(|tenths| *tenths as f64 / 10.0)
        };
        json!({"calls": self.micros.len(), "p50_us": at(500), "p99_us": at(990), "p999_us": at(999)})
    }
}

fn main() -> Result<(), Fault> {
    let mut session = Session::default();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let ask: Value = serde_json::from_str(&line?)?;
        let answer = if let Some(ask) = ask.get("reset") {
            session.reset(ask)?;
            json!({})
        } else if let Some(ask) = ask.get("call") {
            session.call(ask)?
        } else if let Some(ask) = ask.get("result") {
            session.result(ask);
            json!({"bytes": session.memory.bytes(), "read": session.memory.read()})
        } else {
            session.stats()
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
