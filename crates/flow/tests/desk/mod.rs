//! One agent at work: what the human typed, the tools with their manifests, what was read.

use bartizan_flow::{Assessment, Content, Decision, Intent, Joined, Manifest, Memory, assess, decide};
use serde_json::{Value, json};

pub(crate) struct Desk {
    pub(crate) memory: Memory,
    pub(crate) intent: Intent,
    tools: Value,
}

impl Desk {
    /// `tools`: a manifest each, by name; all of them reviewed.
    pub(crate) fn new(prompt: &str, tools: Value) -> Self {
        let mut memory = Memory::new();
        memory.prompt(prompt);
        let intent = Intent::of(&memory, tools.as_object().unwrap().keys().map(String::as_str));
        Self {
            memory,
            intent,
            tools,
        }
    }

    pub(crate) fn manifest(&self, tool: &str) -> Manifest {
        let mut line = self.tools[tool].clone();
        line["reviewed"] = json!(true);
        serde_json::from_value(line).unwrap()
    }

    pub(crate) fn assess(&self, tool: &str, call: &Value) -> Assessment {
        assess(&self.memory, &self.intent, tool, &self.manifest(tool), call)
    }

    pub(crate) fn rule(&self, tool: &str, call: Value) -> Decision {
        decide(&self.assess(tool, &call).flow(Joined::Only))
    }

    /// A read with these arguments, and what it gave: text where it is a string.
    pub(crate) fn read(&mut self, tool: &str, call: Value, result: Value) {
        let seen = self.assess(tool, &call);
        let content = match &result {
            Value::String(text) => Content::Text(text),
            value => Content::Json(value),
        };
        self.memory.result(&self.manifest(tool), Some(&seen), content);
    }
}
