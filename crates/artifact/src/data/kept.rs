//! An outcome that is kept until it is told again, exactly as it was: numbers that are no whole ones are kept by their
//! bits, since a decimal that is read back may differ in its last digit.

use bartizan_types::Scanned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Column, Drift, Looked, Outcome, Suspect};
use crate::finding::Report;

/// What marks the bits of a number, and a text that begins as this does.
const BITS: &str = "~";

/// Everything of an outcome but where its rows stand, which is as long as the data.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    scanned: Scanned,
    rows: u64,
    header: u64,
    /// Suspects, columns, drift, what was looked for, noise and files.
    rest: Value,
}

#[derive(Serialize, Deserialize)]
struct Rest {
    suspects: Vec<Suspect>,
    columns: Vec<Column>,
    drift: Vec<Drift>,
    looked: Vec<Looked>,
    noise: Option<f64>,
    files: Vec<String>,
}

impl Kept {
    /// What is kept of an outcome; nothing where it can't be told again.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let rest = Rest {
            suspects: outcome.suspects.clone(),
            columns: outcome.columns.clone(),
            drift: outcome.drift.clone(),
            looked: outcome.looked.clone(),
            noise: outcome.noise,
            files: outcome.files.clone(),
        };
        Some(Self {
            scanned: outcome.report.told(None, usize::MAX),
            rows: outcome.rows,
            header: outcome.header,
            rest: coded(serde_json::to_value(rest).ok()?),
        })
    }

    /// The outcome; nothing where another version kept it.
    #[must_use]
    pub fn outcome(self) -> Option<Outcome> {
        let rest: Rest = serde_json::from_value(decoded(self.rest)?).ok()?;
        Some(Outcome {
            report: Report::from_told(self.scanned, 1, 0, Vec::new())?,
            suspects: rest.suspects,
            rows: self.rows,
            columns: rest.columns,
            drift: rest.drift,
            looked: rest.looked,
            noise: rest.noise,
            spans: Vec::new(),
            header: self.header,
            files: rest.files,
        })
    }
}

fn each(value: Value, change: &impl Fn(Value) -> Option<Value>) -> Option<Value> {
    match value {
        Value::Array(items) => {
            let items = items.into_iter().map(|item| each(item, change));
            items.collect::<Option<_>>().map(Value::Array)
        }
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(key, value)| Some((key, each(value, change)?)));
            fields.collect::<Option<_>>().map(Value::Object)
        }
        other => change(other),
    }
}

fn coded(value: Value) -> Value {
    let change = |value: Value| {
        Some(match value {
            Value::Number(number) if number.is_f64() => {
                let bits = number.as_f64().unwrap_or(0.0).to_bits();
                Value::String(format!("{BITS}{bits:x}"))
            }
            Value::String(text) if text.starts_with(BITS) => Value::String(format!("{BITS}{BITS}{text}")),
            other => other,
        })
    };
    each(value, &change).unwrap_or(Value::Null)
}

fn decoded(value: Value) -> Option<Value> {
    let change = |value: Value| {
        let Value::String(text) = &value else {
            return Some(value);
        };
        let Some(rest) = text.strip_prefix(BITS) else {
            return Some(value);
        };
        if let Some(text) = rest.strip_prefix(BITS) {
            return Some(Value::String(text.to_owned()));
        }
        let number = f64::from_bits(u64::from_str_radix(rest, 16).ok()?);
        serde_json::Number::from_f64(number).map(Value::Number)
    };
    each(value, &change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_number_and_text_comes_back_as_it_was() {
        let mut bits = 0x3ff0_0000_0000_0001_u64;
        let mut numbers = vec![0.1, 1e-300, f64::MIN_POSITIVE, 5e-324, -0.0, 1.0, 1e300];
        for _ in 0..5_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
            let number = f64::from_bits(bits);
            if number.is_finite() {
                numbers.push(number);
            }
        }
        let value = json!({ "numbers": numbers, "texts": ["~", "~~a", "~3ff", "", "plain"], "whole": [1, u64::MAX, -4] });
        let line = serde_json::to_string(&coded(value.clone())).unwrap();
        let again = decoded(serde_json::from_str(&line).unwrap()).unwrap();
        assert_eq!(again, value);
        let before = value["numbers"].as_array().unwrap().iter();
        for (old, new) in before.zip(again["numbers"].as_array().unwrap()) {
            assert_eq!(old.as_f64().unwrap().to_bits(), new.as_f64().unwrap().to_bits());
        }
        assert!(decoded(json!("~zz")).is_none());
    }
}
