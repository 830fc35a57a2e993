//! How long classifiers of real size take for one window of 512 tokens, on one core.
//!
//! The time depends on the shape of a model and not on its numbers, so these are made: the shapes are those of Prompt
//! Guard 2 (DeBERTa v2 of 22 and 86 million parameters beside their vocabulary), the numbers small and of no meaning.

use std::hint::black_box;
use std::io::Read;
use std::time::Instant;

use bartizan_classify::Classifier;
use serde_json::{Map, Value, json};

use crate::figure::Figure;

/// A tokenizer of that family; it costs next to nothing beside the model.
const TOKENIZER: &str = "crates/classify/vectors/deberta/tokenizer.json";
const CONFIG: &str = "crates/classify/vectors/deberta/config.json";
const TOKENS: usize = 512;

/// Names and units of the figures, and the shapes: width, width inside, heads; all have twelve layers.
const SHAPES: &[(&str, [usize; 3])] = &[
    ("classifier_22m_window_ms", [384, 1536, 6]),
    ("classifier_86m_window_ms", [768, 3072, 12]),
];
const LAYERS: usize = 12;
const BUCKETS: usize = 256;

/// Measures, or says why not.
pub(super) fn run(quick: bool) -> Vec<Figure> {
    SHAPES
        .iter()
        .map(|(name, shape)| {
            measure(name, *shape, quick).unwrap_or_else(|reason| Figure::missing(name, "ms", reason))
        })
        .collect()
}

fn measure(name: &str, shape: [usize; 3], quick: bool) -> Result<Figure, String> {
    let read = |path: &str| std::fs::read(path).map_err(|fault| format!("{path}: {fault}"));
    let mut config: Value =
        serde_json::from_slice(&read(CONFIG)?).map_err(|fault| format!("{CONFIG}: {fault}"))?;
    let words = config["vocab_size"]
        .as_u64()
        .and_then(|words| usize::try_from(words).ok())
        .unwrap_or(0);
    let [width, inside, heads] = shape;
    for (member, value) in [
        ("hidden_size", width),
        ("pooler_hidden_size", width),
        ("intermediate_size", inside),
        ("num_attention_heads", heads),
        ("num_hidden_layers", LAYERS),
        ("position_buckets", BUCKETS),
        ("max_position_embeddings", TOKENS),
    ] {
        config[member] = json!(value);
    }
    let mut weights = Weights::new(&tensors(width, inside, words));
    let classifier = Classifier::read(config.to_string().as_bytes(), &read(TOKENIZER)?, &mut weights)
        .map_err(|fault| format!("the made model: {fault}"))?;
    // More text than one window holds, so that the window is full.
    let text = "the quick brown fox jumps over the lazy dog and then it rests ".repeat(64);
    let window = classifier.window(&text, 0).ok_or("no window")?;
    let times: Vec<f64> = (0..if quick { 1 } else { 5 })
        .map(|_| {
            let start = Instant::now();
            let _shares = black_box(classifier.shares(&window, &|| true));
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    Ok(Figure::median_of(name, "ms", &times))
}

/// Names and shapes of a model's tensors.
fn tensors(width: usize, inside: usize, words: usize) -> Vec<(String, Vec<usize>)> {
    let mut all: Vec<(String, Vec<usize>)> = Vec::new();
    let mut linear = |name: String, out: usize, inner: usize| {
        all.push((format!("{name}.weight"), vec![out, inner]));
        all.push((format!("{name}.bias"), vec![out]));
    };
    linear("classifier".to_owned(), 2, width);
    linear("pooler.dense".to_owned(), width, width);
    for layer in 0..LAYERS {
        let front = format!("deberta.encoder.layer.{layer}");
        for part in [
            "self.query_proj",
            "self.key_proj",
            "self.value_proj",
            "output.dense",
        ] {
            linear(format!("{front}.attention.{part}"), width, width);
        }
        linear(format!("{front}.intermediate.dense"), inside, width);
        linear(format!("{front}.output.dense"), width, inside);
    }
    let norms = (0..LAYERS).flat_map(|layer| {
        ["attention.output", "output"].map(|part| format!("deberta.encoder.layer.{layer}.{part}.LayerNorm"))
    });
    let norms = norms.chain(["deberta.embeddings.LayerNorm", "deberta.encoder.LayerNorm"].map(str::to_owned));
    for norm in norms {
        all.push((format!("{norm}.weight"), vec![width]));
        all.push((format!("{norm}.bias"), vec![width]));
    }
    all.push((
        "deberta.embeddings.word_embeddings.weight".to_owned(),
        vec![words, width],
    ));
    all.push((
        "deberta.encoder.rel_embeddings.weight".to_owned(),
        vec![2 * BUCKETS, width],
    ));
    all
}

/// A file of weights as it is read, none of which is kept.
struct Weights {
    head: Vec<u8>,
    at: usize,
    left: usize,
    state: u32,
}

impl Weights {
    fn new(tensors: &[(String, Vec<usize>)]) -> Self {
        let mut members = Map::new();
        let mut end = 0;
        for (name, shape) in tensors {
            let start = end;
            end += 4 * shape.iter().product::<usize>();
            members.insert(
                name.clone(),
                json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] }),
            );
        }
        let text = Value::Object(members).to_string();
        let mut head = u64::try_from(text.len()).unwrap_or(0).to_le_bytes().to_vec();
        head.extend(text.as_bytes());
        Self {
            head,
            at: 0,
            left: end,
            state: 1,
        }
    }
}

impl Read for Weights {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        if let Some(rest) = self.head.get(self.at..).filter(|rest| !rest.is_empty()) {
            let count = rest.len().min(to.len());
            to[..count].copy_from_slice(&rest[..count]);
            self.at += count;
            return Ok(count);
        }
        // Whole numbers only, but for the last ones of a short place.
        let count = to.len().min(self.left);
        let count = if count >= 4 { count - count % 4 } else { count };
        for four in to[..count].chunks_mut(4) {
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (f64::from(self.state) / f64::from(u32::MAX) - 0.5) * 0.04;
            four.copy_from_slice(&(number as f32).to_le_bytes()[..four.len()]);
        }
        self.left -= count;
        Ok(count)
    }
}
