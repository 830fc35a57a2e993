//! The arithmetic of encoders: words and places, layers of attention, and the head.
//!
//! Every shape was held against the configuration when the numbers were read, so products fit.

mod attention;

use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::Fault;
use crate::config::{Act, Config, Family};
use crate::weights::Tensors;
use attention::{Attention, Distances};

/// Rows times a table, and a row added.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Array2<f32>,
    bias: Option<Array1<f32>>,
}

impl Linear {
    fn new(tensors: &mut Tensors, name: &str, from: usize, to: usize) -> Result<Self, Fault> {
        Ok(Self {
            weight: tensors.table(&format!("{name}.weight"), to, from)?,
            bias: Some(tensors.row(&format!("{name}.bias"), to)?),
        })
    }

    fn of(&self, rows: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut out = rows.dot(&self.weight.t());
        if let Some(bias) = &self.bias {
            out += bias;
        }
        out
    }
}

/// Each row with mean 0 and variance 1, stretched and moved.
#[derive(Debug)]
struct Norm {
    weight: Array1<f32>,
    bias: Array1<f32>,
    epsilon: f32,
}

impl Norm {
    fn new(tensors: &mut Tensors, name: &str, config: &Config, width: usize) -> Result<Self, Fault> {
        Ok(Self {
            weight: tensors.row(&format!("{name}.weight"), width)?,
            bias: tensors.row(&format!("{name}.bias"), width)?,
            epsilon: config.epsilon,
        })
    }

    fn apply(&self, rows: &mut Array2<f32>) {
        let count = rows.ncols().max(1) as f32;
        for mut row in rows.rows_mut() {
            let mean = row.sum() / count;
            let spread = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
            let scale = 1.0 / (spread + self.epsilon).sqrt();
            for ((x, weight), bias) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                *x = (*x - mean) * scale * weight + bias;
            }
        }
    }
}

#[derive(Debug)]
struct Layer {
    attention: Attention,
    attended: Norm,
    inner: Linear,
    outer: Linear,
    done: Norm,
}

/// A model's numbers.
#[derive(Debug)]
pub(crate) struct Encoder {
    words: Array2<f32>,
    places: Option<Array2<f32>>,
    /// The type of a first text, which every text is.
    kind: Option<Array1<f32>>,
    norm: Norm,
    wide: Option<Array2<f32>>,
    first: usize,
    layers: Vec<Layer>,
    distances: Option<Distances>,
    pooler: Linear,
    pooler_act: Act,
    head: Linear,
    act: Act,
}

/// What the tensors of a family are called.
struct Names {
    root: &'static str,
    layers: &'static str,
    query: &'static str,
    key: &'static str,
    value: &'static str,
    out: &'static str,
    attended: &'static str,
    inner: &'static str,
    outer: &'static str,
    done: &'static str,
    pooler: &'static str,
    head: &'static str,
}

const BERT: Names = Names {
    root: "bert",
    layers: "encoder.layer",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    out: "attention.output.dense",
    attended: "attention.output.LayerNorm",
    inner: "intermediate.dense",
    outer: "output.dense",
    done: "output.LayerNorm",
    pooler: "bert.pooler.dense",
    head: "classifier",
};

const ROBERTA: Names = Names {
    root: "roberta",
    pooler: "classifier.dense",
    head: "classifier.out_proj",
    ..BERT
};

const DEBERTA: Names = Names {
    root: "deberta",
    query: "attention.self.query_proj",
    key: "attention.self.key_proj",
    value: "attention.self.value_proj",
    pooler: "pooler.dense",
    ..BERT
};

const DISTIL: Names = Names {
    root: "distilbert",
    layers: "transformer.layer",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    out: "attention.out_lin",
    attended: "sa_layer_norm",
    inner: "ffn.lin1",
    outer: "ffn.lin2",
    done: "output_layer_norm",
    pooler: "pre_classifier",
    head: "classifier",
};

impl Encoder {
    /// Takes its numbers.
    pub(crate) fn new(config: &Config, tensors: &mut Tensors) -> Result<Self, Fault> {
        let names = match config.family {
            Family::Bert => BERT,
            Family::Distil => DISTIL,
            Family::Roberta { .. } => ROBERTA,
            Family::Deberta => DEBERTA,
        };
        let root = names.root;
        let (hidden, word) = (config.hidden, config.word);
        let table = |tensors: &mut Tensors, name: &str, rows: usize| {
            tensors.table(&format!("{root}.embeddings.{name}.weight"), rows, word)
        };
        let words = table(tensors, "word_embeddings", config.vocabulary)?;
        let places = match config.has_places {
            true => Some(table(tensors, "position_embeddings", config.places)?),
            false => None,
        };
        let kind = match config.types {
            0 => None,
            types => table(tensors, "token_type_embeddings", types)?
                .rows()
                .into_iter()
                .next()
                .map(|row| row.to_owned()),
        };
        let wide = match word == hidden {
            true => None,
            false => Some(tensors.table(&format!("{root}.embeddings.embed_proj.weight"), hidden, word)?),
        };
        let norm = Norm::new(tensors, &format!("{root}.embeddings.LayerNorm"), config, hidden)?;
        let distances = match config.relative {
            Some(relative) => Some(Distances::new(config, relative, tensors)?),
            None => None,
        };
        let mut layers = Vec::with_capacity(config.layers);
        for at in 0..config.layers {
            let front = format!("{root}.{}.{at}", names.layers);
            layers.push(Layer::new(config, &names, &front, distances.as_ref(), tensors)?);
        }
        Ok(Self {
            words,
            places,
            kind,
            norm,
            wide,
            first: match config.family {
                Family::Roberta { first } => first,
                _ => 0,
            },
            layers,
            distances,
            pooler: Linear::new(tensors, names.pooler, hidden, hidden)?,
            pooler_act: config.pooler_act,
            head: Linear::new(tensors, names.head, hidden, config.labels.len())?,
            act: config.act,
        })
    }

    /// The score of each label. `None`: it was told to stop.
    pub(crate) fn scores(&self, ids: &[u32], goes_on: &dyn Fn() -> bool) -> Option<Vec<f32>> {
        let mut rows = self.embedded(ids);
        let table = self
            .distances
            .as_ref()
            .map(|distances| distances.table(ids.len()));
        for layer in &self.layers {
            if !goes_on() {
                return None;
            }
            let mut attended = layer.attention.of(rows.view(), table.as_deref());
            attended += &rows;
            layer.attended.apply(&mut attended);
            let mut inner = layer.inner.of(attended.view());
            inner.mapv_inplace(|x| self.act.of(x));
            rows = layer.outer.of(inner.view());
            rows += &attended;
            layer.done.apply(&mut rows);
        }
        // What the whole is judged by stands at its first token.
        let first = rows.slice_axis(Axis(0), (0..1).into());
        let mut pooled = self.pooler.of(first);
        pooled.mapv_inplace(|x| self.pooler_act.of(x));
        Some(self.head.of(pooled.view()).iter().copied().collect())
    }

    fn embedded(&self, ids: &[u32]) -> Array2<f32> {
        let mut rows = Array2::zeros((ids.len(), self.words.ncols()));
        for ((at, mut row), id) in rows.rows_mut().into_iter().enumerate().zip(ids) {
            // Held against the table when the tokenizer was read.
            let id = usize::try_from(*id).unwrap_or(0);
            row += &self.words.row(id);
            if let Some(places) = &self.places {
                row += &places.row(self.first + at);
            }
            if let Some(kind) = &self.kind {
                row += kind;
            }
        }
        if let Some(wide) = &self.wide {
            rows = rows.dot(&wide.t());
        }
        self.norm.apply(&mut rows);
        rows
    }
}

impl Layer {
    fn new(
        config: &Config,
        names: &Names,
        front: &str,
        distances: Option<&Distances>,
        tensors: &mut Tensors,
    ) -> Result<Self, Fault> {
        let (hidden, inner) = (config.hidden, config.inner);
        let square = |tensors: &mut Tensors, name: &str| {
            Linear::new(tensors, &format!("{front}.{name}"), hidden, hidden)
        };
        let query = square(tensors, names.query)?;
        let key = square(tensors, names.key)?;
        let value = square(tensors, names.value)?;
        let out = square(tensors, names.out)?;
        let norm = |tensors: &mut Tensors, name: &str| {
            Norm::new(tensors, &format!("{front}.{name}"), config, hidden)
        };
        Ok(Self {
            attention: Attention::new(config, [query, key, value, out], distances, front, tensors)?,
            attended: norm(tensors, names.attended)?,
            inner: Linear::new(tensors, &format!("{front}.{}", names.inner), hidden, inner)?,
            outer: Linear::new(tensors, &format!("{front}.{}", names.outer), inner, hidden)?,
            done: norm(tensors, names.done)?,
        })
    }
}

impl Act {
    fn of(self, x: f32) -> f32 {
        match self {
            Self::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
            Self::GeluNew => {
                let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Self::Relu => x.max(0.0),
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
        }
    }
}

/// The error function, to 1.5e-7 (Abramowitz and Stegun, 7.1.26).
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let sum =
        t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    (1.0 - sum * (-x * x).exp()).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_the_values_of_tables() {
        // erf: Abramowitz and Stegun, table 7.1.
        for (x, value) in [
            (0.0, 0.0),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (2.0, 0.995_322_3),
        ] {
            assert!((erf(x) - value).abs() < 1e-6, "{x}");
            assert!((erf(-x) + value).abs() < 1e-6, "{x}");
        }
        assert!((Act::Gelu.of(1.0) - 0.841_344_7).abs() < 1e-6);
        assert!((Act::GeluNew.of(1.0) - 0.841_192).abs() < 1e-5);
        assert!((Act::Silu.of(1.0) - 0.731_058_6).abs() < 1e-6);
        assert_eq!(Act::Relu.of(-1.0), 0.0);
    }
}
