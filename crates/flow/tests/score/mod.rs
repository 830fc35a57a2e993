//! Scores the inference against labelled schemas. The format of the vectors is at the head of `vectors/tools.txt`.

use bartizan_flow::{Effect, Role, ToolFacts, infer};
use bartizan_types::Effects;
use serde_json::{Map, Value, json};

fn schema(kind: &str, says: &str) -> Result<Value, String> {
    let mut schema = match kind.trim_start_matches('?') {
        "s" => json!({"type": "string"}),
        "n" => json!({"type": "number"}),
        "i" => json!({"type": "integer"}),
        "b" => json!({"type": "boolean"}),
        "l" => json!({"type": "array", "items": {"type": "string"}}),
        "o" => json!({"type": "object"}),
        "e" => json!({"type": "string", "enum": ["a", "b"]}),
        "U" => json!({"type": "string", "format": "uri"}),
        "u" => json!({"type": "string", "format": "uuid"}),
        "d" => json!({"type": "string", "format": "date"}),
        "m" => json!({"type": "string", "format": "email"}),
        "r" => json!({"$ref": "#/$defs/a"}),
        "x" => json!({}),
        other => return Err(format!("no type `{other}`")),
    };
    if kind.starts_with('?') {
        schema = json!({"anyOf": [schema, {"type": "null"}]});
    }
    if !says.is_empty() {
        schema["description"] = Value::from(says);
    }
    Ok(schema)
}

fn hints(text: &str) -> Effects {
    let hint = |of: char| {
        let at = text.find(of)?;
        Some(text[at + 1..].starts_with('+'))
    };
    Effects {
        read_only: hint('r'),
        destructive: hint('d'),
        open_world: hint('o'),
    }
}

fn labels<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<T>, String> {
    text.split('/')
        .map(|label| serde_json::from_value(Value::from(label)).map_err(|_| format!("no label `{label}`")))
        .collect()
}

/// How much a ruling demands of a call with this effect.
fn strictness(effect: Effect) -> u8 {
    match effect {
        Effect::Read => 0,
        Effect::Fetch => 1,
        Effect::Write => 2,
        Effect::Send | Effect::Pay | Effect::Execute | Effect::Delete => 3,
        Effect::Unknown => 4,
    }
}

/// Whether a value in this role must be vouched for.
fn gated(role: Role) -> bool {
    !matches!(role, Role::Value | Role::Content)
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Score {
    /// Counted.
    pub(crate) all: u32,
    /// As labelled.
    pub(crate) right: u32,
    /// Wrong, and a call would pass that should not: the miss that matters.
    pub(crate) milder: u32,
}

impl Score {
    fn count(&mut self, right: bool, milder: bool) {
        self.all += 1;
        self.right += u32::from(right);
        self.milder += u32::from(!right && milder);
    }
    /// Whether at least this share is right.
    pub(crate) fn meets(self, percent: u32) -> bool {
        self.right * 100 >= self.all * percent
    }
    fn says(self, what: &str) -> String {
        format!(
            "{what}: {} of {} right ({:.1} %), {} milder than the truth",
            self.right,
            self.all,
            f64::from(self.right) * 100.0 / f64::from(self.all),
            self.milder
        )
    }
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    /// What tools do.
    pub(crate) effects: Score,
    /// What arguments are.
    pub(crate) roles: Score,
    /// Roles of arguments of tools that change or reveal something: where a role decides.
    pub(crate) deciding: Score,
    /// Every miss, in words.
    pub(crate) misses: Vec<String>,
}

impl Report {
    /// Infers each line's tool.
    ///
    /// # Errors
    /// A line that can't be read.
    pub(crate) fn of(text: &str) -> Result<Self, String> {
        let mut report = Self::default();
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        {
            report
                .tool(line)
                .map_err(|fault| format!("{fault} in `{line}`"))?;
        }
        Ok(report)
    }

    fn tool(&mut self, line: &str) -> Result<(), String> {
        let mut parts = line.split('|').map(str::trim);
        let mut next = || parts.next().unwrap_or_default();
        let (name, effect, arguments, hinted, description, says) =
            (next(), next(), next(), next(), next(), next());
        let said = |path: &str| {
            says.split("; ")
                .filter_map(|one| one.split_once('='))
                .find(|(name, _)| *name == path)
                .map_or("", |(_, words)| words)
        };
        let labelled: Vec<(&str, &str, &str)> = arguments
            .split_whitespace()
            .map(|argument| {
                let (path, rest) = argument.split_once(':')?;
                let (kind, role) = rest.split_once('=')?;
                Some((path, kind, role))
            })
            .collect::<Option<_>>()
            .ok_or("an argument without type or role")?;
        let properties: Map<String, Value> = labelled
            .iter()
            .map(|(path, kind, _)| Ok(((*path).to_owned(), schema(kind, said(path))?)))
            .collect::<Result<_, String>>()?;
        let input = json!({"type": "object", "properties": properties});
        let got = infer(&ToolFacts {
            name,
            description,
            input: &input,
            hints: hints(hinted),
        })
        .manifest;
        let truth_of_effect: Vec<Effect> = labels(effect)?;
        let right = truth_of_effect.contains(&got.effect);
        let milder = truth_of_effect
            .iter()
            .all(|truth| strictness(got.effect) < strictness(*truth));
        self.effects.count(right, milder);
        let mark = |milder: bool| if milder { " MILDER" } else { "" };
        if !right {
            let got = got.effect.as_str();
            self.misses
                .push(format!("{name}: effect {got} wants {effect}{}", mark(milder)));
        }
        for (path, _, role) in labelled {
            let truth: Vec<Role> = labels(role)?;
            let inferred = got.role(&[path]);
            let right = truth.contains(&inferred);
            let milder = !gated(inferred) && truth.iter().all(|truth| gated(*truth));
            self.roles.count(right, milder);
            if truth_of_effect.iter().any(|effect| *effect != Effect::Read) {
                self.deciding.count(right, milder);
            }
            if !right {
                let got = inferred.as_str();
                self.misses
                    .push(format!("{name}.{path}: role {got} wants {role}{}", mark(milder)));
            }
        }
        Ok(())
    }

    /// Every count, and every miss.
    pub(crate) fn says(&self) -> String {
        format!(
            "{}\n{}\n{}\n{}",
            self.effects.says("effects"),
            self.roles.says("roles"),
            self.deciding.says("roles of tools that do more than read"),
            self.misses.join("\n")
        )
    }
}

/// What the inference was tuned on.
pub(crate) const TUNED: &str = include_str!("../../vectors/tools.txt");
/// What it has never seen.
pub(crate) const HELD_OUT: &str = include_str!("../../vectors/held-out.txt");
