//! Attention, plain and with distances (DeBERTa's: He et al., arXiv 2006.03654, section 3).

use ndarray::{Array2, ArrayView2, s};

use super::{Linear, Norm};
use crate::Fault;
use crate::config::{Config, Relative};
use crate::weights::Tensors;

/// What distances are, for all layers.
#[derive(Debug)]
pub(super) struct Distances {
    relative: Relative,
    /// A row for each distance that is told apart.
    rows: Array2<f32>,
}

impl Distances {
    pub(super) fn new(config: &Config, relative: Relative, tensors: &mut Tensors) -> Result<Self, Fault> {
        let mut rows = tensors.table(
            "deberta.encoder.rel_embeddings.weight",
            relative.span * 2,
            config.hidden,
        )?;
        if relative.normed {
            Norm::new(tensors, "deberta.encoder.LayerNorm", config, config.hidden)?.apply(&mut rows);
        }
        Ok(Self { relative, rows })
    }

    /// The row of each distance between two of so many tokens, from the most negative on.
    pub(super) fn table(&self, tokens: usize) -> Vec<usize> {
        let span = i64::try_from(self.relative.span).unwrap_or(i64::MAX);
        let most = i64::try_from(tokens).unwrap_or(i64::MAX);
        (1 - most..most)
            .map(|distance| {
                let bucket = self.bucket(distance) + span;
                usize::try_from(bucket.clamp(0, span * 2 - 1)).unwrap_or(0)
            })
            .collect()
    }

    /// Near distances are buckets of their own, far ones share them, ever more to one.
    fn bucket(&self, distance: i64) -> i64 {
        let Some(buckets) = self.relative.buckets else {
            return distance;
        };
        let middle = i64::try_from(buckets / 2).unwrap_or(i64::MAX);
        if distance.abs() <= middle {
            return distance;
        }
        let (middle, most) = (middle as f32, self.relative.most as f32);
        let far = (distance.abs() as f32 / middle).ln() / ((most - 1.0) / middle).ln() * (middle - 1.0);
        (far.ceil() + middle) as i64 * distance.signum()
    }
}

/// The attention of one layer.
#[derive(Debug)]
pub(super) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
    heads: usize,
    width: usize,
    scale: f32,
    /// Distances as a token asks for them, and as they ask for a token.
    asked: Option<Array2<f32>>,
    asking: Option<Array2<f32>>,
}

impl Attention {
    pub(super) fn new(
        config: &Config,
        [query, key, value, out]: [Linear; 4],
        distances: Option<&Distances>,
        front: &str,
        tensors: &mut Tensors,
    ) -> Result<Self, Fault> {
        let width = config.hidden / config.heads.max(1);
        let (mut asked, mut asking) = (None, None);
        if let Some(distances) = distances {
            let rows = distances.rows.view();
            let mut read = |shared: &Linear, name: &str| -> Result<Array2<f32>, Fault> {
                if distances.relative.shared {
                    return Ok(shared.of(rows));
                }
                let name = format!("{front}.attention.self.{name}");
                Ok(Linear::new(tensors, &name, config.hidden, config.hidden)?.of(rows))
            };
            if distances.relative.content_to_place {
                asked = Some(read(&key, "pos_key_proj")?);
            }
            if distances.relative.place_to_content {
                asking = Some(read(&query, "pos_query_proj")?);
            }
        }
        Ok(Self {
            query,
            key,
            value,
            out,
            heads: config.heads,
            width,
            scale: 1.0 / (width as f32 * config.parts as f32).sqrt(),
            asked,
            asking,
        })
    }

    /// What each token takes from all. `table` has the row of each distance.
    pub(super) fn of(&self, rows: ArrayView2<'_, f32>, table: Option<&[usize]>) -> Array2<f32> {
        let (query, key, value) = (self.query.of(rows), self.key.of(rows), self.value.of(rows));
        let mut taken = Array2::zeros(rows.raw_dim());
        for head in 0..self.heads {
            let columns = s![.., head * self.width..(head + 1) * self.width];
            let (query, key) = (query.slice(columns), key.slice(columns));
            let mut scores = query.dot(&key.t());
            if let Some(table) = table {
                if let Some(asked) = &self.asked {
                    let distances = query.dot(&asked.slice(columns).t());
                    add(&mut scores, distances.view(), table, Looks::FromRow);
                }
                if let Some(asking) = &self.asking {
                    let distances = key.dot(&asking.slice(columns).t());
                    add(&mut scores, distances.view(), table, Looks::FromColumn);
                }
            }
            scores *= self.scale;
            for mut row in scores.rows_mut() {
                let highest = row.iter().copied().fold(f32::MIN, f32::max);
                row.mapv_inplace(|x| (x - highest).exp());
                let all = row.sum();
                row /= all;
            }
            taken
                .slice_mut(columns)
                .assign(&scores.dot(&value.slice(columns)));
        }
        self.out.of(taken.view())
    }
}

/// Whose row of distances is added.
#[derive(Clone, Copy)]
enum Looks {
    /// That of the token that takes.
    FromRow,
    /// That of the token that is taken from.
    FromColumn,
}

/// Adds to the score of each pair what the distance between them scores.
fn add(scores: &mut Array2<f32>, distances: ArrayView2<'_, f32>, table: &[usize], looks: Looks) {
    let count = scores.nrows();
    for (at, mut row) in scores.rows_mut().into_iter().enumerate() {
        for (from, score) in row.iter_mut().enumerate() {
            // From the token that is taken from to the one that takes, as the table counts.
            let bucket = table.get(count - 1 + at - from).copied().unwrap_or(0);
            let place = match looks {
                Looks::FromRow => (at, bucket),
                Looks::FromColumn => (from, bucket),
            };
            *score += distances.get(place).copied().unwrap_or(0.0);
        }
    }
}
