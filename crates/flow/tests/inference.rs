//! Inference against labelled schemas of public servers (`vectors/tools.txt`). The floor is the figure's bar; a
//! failure lists every miss.

use bartizan_flow::{Effect, Role, ToolFacts, infer};
use bartizan_types::Effects;
use serde_json::{Map, Value, json};

fn schema(kind: &str) -> Value {
    match kind {
        "n" => json!({"type": "number"}),
        "i" => json!({"type": "integer"}),
        "b" => json!({"type": "boolean"}),
        "l" => json!({"type": "array", "items": {"type": "string"}}),
        "o" => json!({"type": "object"}),
        "e" => json!({"type": "string", "enum": ["a", "b"]}),
        _ => json!({"type": "string"}),
    }
}

fn named<T: serde::de::DeserializeOwned + PartialEq>(labels: &str, value: &T) -> bool {
    labels
        .split('/')
        .any(|label| serde_json::from_value::<T>(Value::from(label)).unwrap() == *value)
}

#[test]
fn inference_meets_its_bar() {
    let text = include_str!("../vectors/tools.txt");
    let mut misses: Vec<String> = Vec::new();
    let (mut tools, mut effects, mut all, mut roles, mut dangerous) = (0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
    {
        let mut parts = line.split('|').map(str::trim);
        let (name, effect, arguments) = (
            parts.next().unwrap(),
            parts.next().unwrap(),
            parts.next().unwrap_or_default(),
        );
        let labelled: Vec<(&str, &str, &str)> = arguments
            .split_whitespace()
            .map(|argument| {
                let (path, rest) = argument.split_once(':').unwrap();
                let (kind, role) = rest.split_once('=').unwrap();
                (path, kind, role)
            })
            .collect();
        let properties: Map<String, Value> = labelled
            .iter()
            .map(|(path, kind, _)| ((*path).to_owned(), schema(kind)))
            .collect();
        let input = json!({"type": "object", "properties": properties});
        let got = infer(&ToolFacts {
            name,
            description: "",
            input: &input,
            hints: Effects::default(),
        })
        .manifest;
        tools += 1;
        if named::<Effect>(effect, &got.effect) {
            effects += 1;
        } else {
            misses.push(format!("{name}: effect {} wants {effect}", got.effect.as_str()));
            // Milder than the truth is the miss that matters.
            dangerous += u32::from(
                !got.effect.consequential() && !effect.contains("read") && !effect.contains("fetch"),
            );
        }
        for (path, _, role) in labelled {
            all += 1;
            let inferred = got.role(&[path]);
            if named::<Role>(role, &inferred) {
                roles += 1;
            } else {
                misses.push(format!("{name}.{path}: role {} wants {role}", inferred.as_str()));
            }
        }
    }
    let misses = misses.join(
        "
",
    );
    assert!(tools >= 60);
    assert!(
        effects * 10 >= tools * 9,
        "effects {effects} of {tools}\n{misses}"
    );
    assert!(roles * 10 >= all * 9, "roles {roles} of {all}\n{misses}");
    assert!(dangerous <= 1, "{dangerous} are milder than the truth\n{misses}");
}
