//! Where the events of a streamed answer hold its texts: what they add to one, and which of them they end.

use serde_json::Value;

/// Which text of an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The choice, the item or the block.
    pub item: u64,
    /// The part of it.
    pub part: u64,
    /// Which of several beside each other; empty for the answer itself.
    pub beside: String,
}

impl Place {
    fn new(item: u64, part: u64, key: &str) -> Self {
        let main = matches!(key, "content" | "text" | "response.output_text.delta");
        Self {
            item,
            part,
            beside: if main { String::new() } else { key.to_owned() },
        }
    }

    /// As findings name it.
    pub(crate) fn pointer(&self) -> String {
        let (item, part) = (self.item, self.part);
        let beside = &self.beside;
        if beside.is_empty() {
            format!("/stream/{item}/{part}")
        } else {
            let beside: String = beside.replace(['/', '~'], "_").chars().take(64).collect();
            format!("/stream/{item}/{part}/{beside}")
        }
    }
}

/// The texts that an event adds to, and where in it: choices of chat completions, parts of responses, blocks of messages.
/// The arguments of a tool call are none of them: they are ruled on whole.
pub(crate) fn places(event: &Value) -> Vec<(Place, String)> {
    if let Some(choices) = event.get("choices").and_then(Value::as_array) {
        let deltas = choices.iter().enumerate().filter_map(|(at, choice)| {
            let delta = choice.get("delta")?.as_object()?;
            Some((at, number(choice, "index"), delta))
        });
        return deltas
            .flat_map(|(at, index, delta)| {
                delta
                    .iter()
                    .filter(|(key, value)| value.is_string() && *key != "role")
                    .map(move |(key, _)| {
                        let step = key.replace('~', "~0").replace('/', "~1");
                        (Place::new(index, 0, key), format!("/choices/{at}/delta/{step}"))
                    })
            })
            .collect();
    }
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind == "content_block_delta" {
        return ["text", "thinking"]
            .into_iter()
            .filter(|key| {
                event
                    .get("delta")
                    .and_then(|delta| delta.get(key))
                    .is_some_and(Value::is_string)
            })
            .map(|key| {
                (
                    Place::new(number(event, "index"), 0, key),
                    format!("/delta/{key}"),
                )
            })
            .collect();
    }
    let ruled_whole =
        kind.contains("arguments") || kind.contains("_call_input") || kind.ends_with("audio.delta");
    if kind.ends_with(".delta") && !ruled_whole && event.get("delta").is_some_and(Value::is_string) {
        let part = if event.get("summary_index").is_some() {
            number(event, "summary_index")
        } else {
            number(event, "content_index")
        };
        return vec![(
            Place::new(number(event, "output_index"), part, kind),
            "/delta".to_owned(),
        )];
    }
    Vec::new()
}

/// The texts that end with this event, by the first part of their place; `None` is all of them.
pub(crate) fn closes(event: &Value) -> Vec<Option<u64>> {
    if let Some(choices) = event.get("choices").and_then(Value::as_array) {
        return choices
            .iter()
            .filter(|choice| choice.get("finish_reason").is_some_and(Value::is_string))
            .map(|choice| Some(number(choice, "index")))
            .collect();
    }
    match event.get("type").and_then(Value::as_str) {
        Some("content_block_stop") => vec![Some(number(event, "index"))],
        Some("response.output_text.done" | "response.output_item.done") => {
            vec![Some(number(event, "output_index"))]
        }
        Some(
            "message_delta"
            | "message_stop"
            | "response.completed"
            | "response.incomplete"
            | "response.failed",
        ) => vec![None],
        _ => Vec::new(),
    }
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(event: &Value, expected: &[(&str, &str)]) {
        let found: Vec<(String, String)> = places(event)
            .into_iter()
            .map(|(place, pointer)| {
                let text = event.pointer(&pointer).and_then(Value::as_str).unwrap();
                (place.pointer(), text.to_owned())
            })
            .collect();
        let found: Vec<(&str, &str)> = found.iter().map(|(one, two)| (&**one, &**two)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn texts_of_all_three_apis_have_places() {
        check(
            &json!({"choices":[{"index":1,"delta":{"role":"assistant","content":"a","reasoning_content":"b","x/y":"c"}}]}),
            &[
                ("/stream/1/0", "a"),
                ("/stream/1/0/reasoning_content", "b"),
                ("/stream/1/0/x_y", "c"),
            ],
        );
        check(
            &json!({"type":"response.output_text.delta","output_index":2,"content_index":1,"delta":"a"}),
            &[("/stream/2/1", "a")],
        );
        check(
            &json!({"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":3,"delta":"a"}),
            &[("/stream/0/3/response.reasoning_summary_text.delta", "a")],
        );
        check(
            &json!({"type":"response.function_call_arguments.delta","output_index":0,"delta":"{"}),
            &[],
        );
        check(
            &json!({"type":"content_block_delta","index":4,"delta":{"type":"thinking_delta","thinking":"a"}}),
            &[("/stream/4/0/thinking", "a")],
        );
        check(
            &json!({"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"{"}}),
            &[],
        );
    }
}
