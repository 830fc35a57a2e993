//! What `config.json` says of a classifier.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Fault, bounds};

/// The file, as far as it is read. What is not here changes nothing of an answer.
#[derive(Deserialize)]
struct File {
    model_type: String,
    vocab_size: usize,
    // DistilBERT has names of its own for sizes.
    #[serde(alias = "dim")]
    hidden_size: usize,
    #[serde(alias = "n_layers")]
    num_hidden_layers: usize,
    #[serde(alias = "n_heads")]
    num_attention_heads: usize,
    #[serde(alias = "hidden_dim")]
    intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(alias = "activation")]
    hidden_act: Option<Act>,
    layer_norm_eps: Option<f32>,
    pad_token_id: Option<usize>,
    type_vocab_size: Option<usize>,
    id2label: Option<BTreeMap<String, String>>,
    num_labels: Option<usize>,
    problem_type: Option<Problem>,
    position_embedding_type: Option<String>,
    is_decoder: Option<bool>,
    quantization_config: Option<serde::de::IgnoredAny>,
    // DeBERTa's.
    relative_attention: Option<bool>,
    max_relative_positions: Option<i64>,
    position_buckets: Option<i64>,
    norm_rel_ebd: Option<String>,
    share_att_key: Option<bool>,
    pos_att_type: Option<Kinds>,
    position_biased_input: Option<bool>,
    embedding_size: Option<usize>,
    pooler_hidden_size: Option<usize>,
    pooler_hidden_act: Option<Act>,
    conv_kernel_size: Option<usize>,
    attention_head_size: Option<usize>,
}

/// A function between layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    /// x times the normal distribution's share below x.
    Gelu,
    /// The same by a hyperbolic tangent.
    #[serde(alias = "gelu_pytorch_tanh", alias = "gelu_fast")]
    GeluNew,
    /// x, or nothing.
    Relu,
    /// x times its logistic.
    #[serde(alias = "swish")]
    Silu,
    /// The hyperbolic tangent.
    Tanh,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Problem {
    SingleLabelClassification,
    MultiLabelClassification,
    Regression,
}

/// Kinds of relative attention, as a list or joined by `|`.
#[derive(Default)]
struct Kinds(Vec<String>);

impl<'de> Deserialize<'de> for Kinds {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let words = match serde_json::Value::deserialize(from)? {
            serde_json::Value::String(joined) => {
                joined.split('|').map(|word| word.trim().to_owned()).collect()
            }
            serde_json::Value::Array(list) => list
                .into_iter()
                .map(|word| word.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| D::Error::custom("not a list of words"))?,
            serde_json::Value::Null => Vec::new(),
            _ => return Err(D::Error::custom("not a list of words")),
        };
        Ok(Self(words))
    }
}

/// How scores become shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// One label of them all.
    OneOf,
    /// Each for itself.
    Several,
}

/// What stands at the head of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// BERT.
    Bert,
    /// DistilBERT.
    Distil,
    /// RoBERTa and XLM-RoBERTa, whose places are counted from this on.
    Roberta {
        /// The first place.
        first: usize,
    },
    /// DeBERTa v2 and v3.
    Deberta,
}

/// How DeBERTa sees how far tokens are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relative {
    /// Distances that are told apart, each way.
    pub(crate) span: usize,
    /// Of these, buckets of growing size; `None`: each distance is one.
    pub(crate) buckets: Option<usize>,
    /// Distances that there are.
    pub(crate) most: usize,
    /// A token looks at distances.
    pub(crate) content_to_place: bool,
    /// Distances look at a token.
    pub(crate) place_to_content: bool,
    /// Distances are read by the weights that read tokens.
    pub(crate) shared: bool,
    /// Distances are normed.
    pub(crate) normed: bool,
}

/// A model's sizes and kinds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) family: Family,
    pub(crate) vocabulary: usize,
    pub(crate) hidden: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) inner: usize,
    /// Rows of places, beside a text's own of RoBERTa.
    pub(crate) places: usize,
    /// Tokens of one text at most.
    pub(crate) tokens: usize,
    pub(crate) epsilon: f32,
    pub(crate) act: Act,
    pub(crate) pooler_act: Act,
    /// Numbers of a word, where that is another count than between layers.
    pub(crate) word: usize,
    pub(crate) types: usize,
    pub(crate) has_places: bool,
    pub(crate) relative: Option<Relative>,
    /// Of DeBERTa's scores: parts that are added up.
    pub(crate) parts: usize,
    pub(crate) labels: Vec<String>,
    pub(crate) outcome: Outcome,
}

impl Family {
    fn of(file: &File) -> Result<Self, Fault> {
        match file.model_type.as_str() {
            "bert" => Ok(Self::Bert),
            "distilbert" => Ok(Self::Distil),
            "roberta" | "xlm-roberta" => Ok(Self::Roberta {
                first: file.pad_token_id.unwrap_or(1) + 1,
            }),
            "deberta-v2" => Ok(Self::Deberta),
            _ => Err(unsupported("model_type")),
        }
    }
}

const fn unsupported(member: &'static str) -> Fault {
    Fault::Unsupported {
        file: "config.json",
        member,
    }
}

impl Config {
    /// Reads it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > bounds::CONFIG {
            return Err(Fault::Large("config.json"));
        }
        let file: File = serde_json::from_slice(bytes).map_err(|source| Fault::Json {
            file: "config.json",
            source,
        })?;
        refused(&file)?;
        let places = file.max_position_embeddings;
        let family = Family::of(&file)?;
        let is_deberta = family == Family::Deberta;
        let relative = match file.relative_attention {
            Some(true) if is_deberta => Some(relative(&file)?),
            _ => None,
        };
        let kinds = file.pos_att_type.as_ref().filter(|_| is_deberta);
        let kind = |word: &str| kinds.is_some_and(|kinds| kinds.0.iter().any(|kind| kind == word));
        let tokens = match family {
            Family::Roberta { first } => places.saturating_sub(first),
            _ => places,
        };
        let labels = labels(&file)?;
        let outcome = match file.problem_type {
            Some(Problem::MultiLabelClassification) => Outcome::Several,
            _ if labels.len() == 1 => Outcome::Several,
            _ => Outcome::OneOf,
        };
        Ok(Self {
            family,
            vocabulary: file.vocab_size,
            hidden: file.hidden_size,
            layers: file.num_hidden_layers,
            heads: file.num_attention_heads,
            inner: file.intermediate_size,
            places,
            tokens: tokens.min(bounds::TOKENS),
            epsilon: match family {
                Family::Deberta => file.layer_norm_eps.unwrap_or(1e-7),
                _ => file.layer_norm_eps.unwrap_or(1e-12),
            },
            act: file.hidden_act.unwrap_or(Act::Gelu),
            pooler_act: match family {
                Family::Deberta => file.pooler_hidden_act.unwrap_or(Act::Gelu),
                Family::Distil => Act::Relu,
                _ => Act::Tanh,
            },
            word: file
                .embedding_size
                .filter(|_| is_deberta)
                .unwrap_or(file.hidden_size),
            types: match family {
                Family::Distil => 0,
                Family::Deberta => file.type_vocab_size.unwrap_or(0),
                _ => file.type_vocab_size.unwrap_or(2),
            },
            has_places: !is_deberta || file.position_biased_input.unwrap_or(true),
            relative,
            parts: 1 + usize::from(kind("c2p")) + usize::from(kind("p2c")),
            labels,
            outcome,
        })
    }
}

/// What is known to change an answer and is not done here, and sizes out of bounds.
fn refused(file: &File) -> Result<(), Fault> {
    let odd = |member: Option<&String>, plain: &str| member.is_some_and(|word| word != plain);
    let heads = file.num_attention_heads;
    let problems = [
        (
            odd(file.position_embedding_type.as_ref(), "absolute"),
            "position_embedding_type",
        ),
        (file.is_decoder == Some(true), "is_decoder"),
        (file.quantization_config.is_some(), "quantization_config"),
        (
            file.conv_kernel_size.is_some_and(|size| size > 0),
            "conv_kernel_size",
        ),
        (file.problem_type == Some(Problem::Regression), "problem_type"),
        (
            file.attention_head_size
                .is_some_and(|size| size.checked_mul(heads) != Some(file.hidden_size)),
            "attention_head_size",
        ),
        (
            file.pooler_hidden_size
                .is_some_and(|size| size != file.hidden_size),
            "pooler_hidden_size",
        ),
        (
            !(1..=bounds::WIDTH).contains(&file.hidden_size)
                || heads == 0
                || !file.hidden_size.is_multiple_of(heads),
            "hidden_size",
        ),
        (
            !(1..=bounds::WIDTH).contains(&file.intermediate_size),
            "intermediate_size",
        ),
        (
            !(1..=bounds::LAYERS).contains(&file.num_hidden_layers),
            "num_hidden_layers",
        ),
        (!(1..=bounds::NUMBERS).contains(&file.vocab_size), "vocab_size"),
        (
            !(16..=1 << 20).contains(&file.max_position_embeddings),
            "max_position_embeddings",
        ),
        (
            file.pad_token_id
                .is_some_and(|id| id >= file.max_position_embeddings),
            "pad_token_id",
        ),
    ];
    problems
        .iter()
        .find(|(wrong, _)| *wrong)
        .map_or(Ok(()), |(_, member)| Err(unsupported(member)))
}

fn relative(file: &File) -> Result<Relative, Fault> {
    let positive = |number: Option<i64>| {
        number
            .and_then(|number| usize::try_from(number).ok())
            .filter(|n| *n > 0)
    };
    let most = positive(file.max_relative_positions).unwrap_or(file.max_position_embeddings);
    let buckets = positive(file.position_buckets);
    let span = buckets.unwrap_or(most);
    // The logarithm of what lies beyond the middle bucket has to grow.
    if span > bounds::WIDTH || buckets.is_some_and(|buckets| buckets < 4 || most <= buckets / 2 + 1) {
        return Err(unsupported("position_buckets"));
    }
    let kinds = file.pos_att_type.as_ref().map_or(&[][..], |kinds| &kinds.0);
    if kinds.iter().any(|kind| kind != "c2p" && kind != "p2c") {
        return Err(unsupported("pos_att_type"));
    }
    let norms = file.norm_rel_ebd.as_deref().unwrap_or("none");
    Ok(Relative {
        span,
        buckets,
        most,
        content_to_place: kinds.iter().any(|kind| kind == "c2p"),
        place_to_content: kinds.iter().any(|kind| kind == "p2c"),
        shared: file.share_att_key.unwrap_or(false),
        normed: norms
            .split('|')
            .any(|word| word.trim().eq_ignore_ascii_case("layer_norm")),
    })
}

fn labels(file: &File) -> Result<Vec<String>, Fault> {
    let Some(named) = &file.id2label else {
        let count = file.num_labels.unwrap_or(2);
        if !(1..=bounds::LABELS).contains(&count) {
            return Err(unsupported("num_labels"));
        }
        return Ok((0..count).map(|at| format!("LABEL_{at}")).collect());
    };
    let count = named.len();
    let all: Option<Vec<String>> = (0..count).map(|at| named.get(&at.to_string()).cloned()).collect();
    all.filter(|_| (1..=bounds::LABELS).contains(&count))
        .ok_or(unsupported("id2label"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#""vocab_size":9,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,
        "intermediate_size":8,"max_position_embeddings":64"#;

    fn read(kind: &str, more: &str) -> Result<Config, Fault> {
        Config::read(format!(r#"{{"model_type":"{kind}",{PLAIN}{more}}}"#).as_bytes())
    }

    #[test]
    fn what_would_give_other_shares_is_refused() {
        let plain = read("bert", "").unwrap();
        assert_eq!(
            (plain.outcome, plain.labels.len(), plain.tokens),
            (Outcome::OneOf, 2, 64)
        );
        for more in [
            r#","position_embedding_type":"relative_key""#,
            r#","is_decoder":true"#,
            r#","quantization_config":{"bits":4}"#,
            r#","problem_type":"regression""#,
            r#","hidden_act":"a function of its own""#,
            r#","id2label":{"0":"a","2":"b"}"#,
            r#","id2label":{}"#,
        ] {
            assert!(read("bert", more).is_err(), "{more}");
        }
        for more in [
            r#","conv_kernel_size":3"#,
            r#","relative_attention":true,"pos_att_type":"c2p|p2p""#,
            r#","relative_attention":true,"position_buckets":2"#,
            r#","pooler_hidden_size":4"#,
        ] {
            assert!(read("deberta-v2", more).is_err(), "{more}");
        }
        assert!(read("gpt2", "").is_err());
        assert!(Config::read(b"{}").is_err());
    }
}
