//! What tokens cost, and how many a model may take and give.

use std::collections::BTreeMap;

use super::Bound;

/// One model's prices and bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// Millionths of a US dollar for a million tokens in.
    pub input: u64,
    /// Millionths of a US dollar for a million tokens out.
    pub output: u64,
    /// The most tokens it takes in.
    pub most_input_tokens: Option<u64>,
    /// The most tokens one answer of it has.
    pub most_output_tokens: Option<u64>,
}

impl Price {
    /// What this many tokens cost, rounded up.
    #[must_use]
    pub fn cost(self, input_tokens: u64, output_tokens: u64) -> u64 {
        let of = |tokens: u64, price: u64| {
            u128::from(tokens)
                .saturating_mul(u128::from(price))
                .div_ceil(1_000_000)
        };
        let sum = of(input_tokens, self.input).saturating_add(of(output_tokens, self.output));
        u64::try_from(sum).unwrap_or(u64::MAX)
    }
}

/// Prices by `upstream/model`, or by the model's name alone.
#[derive(Debug, Clone, Default)]
pub struct Prices(BTreeMap<String, Price>);

impl FromIterator<(String, Price)> for Prices {
    fn from_iter<I: IntoIterator<Item = (String, Price)>>(prices: I) -> Self {
        Self(prices.into_iter().collect())
    }
}

/// What a request to a model says of its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The bytes of the request, where they bound its tokens: none of it stands for content that is elsewhere.
    pub bytes: Option<u64>,
    /// The bound on one answer that it asks for, in tokens.
    pub most_output_tokens: Option<u64>,
    /// Answers asked for.
    pub choices: u64,
}

impl Prices {
    /// The price of a model; `None` where nobody set one.
    #[must_use]
    pub fn of(&self, upstream: &str, model: &str) -> Option<Price> {
        let full = self.0.get(&format!("{upstream}/{model}"));
        full.or_else(|| self.0.get(model))
            .or_else(|| self.0.get("*"))
            .copied()
    }

    /// The most that a request may come to. A token stands for at least one byte of it, so its bytes bound what goes in.
    #[must_use]
    pub fn bound(&self, upstream: &str, model: &str, asked: Asked) -> Bound {
        let price = self.of(upstream, model);
        let least = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let input = least(asked.bytes, price.and_then(|price| price.most_input_tokens));
        let one = least(
            asked.most_output_tokens,
            price.and_then(|price| price.most_output_tokens),
        );
        let output = one.and_then(|one| one.checked_mul(asked.choices.max(1)));
        Bound {
            input_tokens: input,
            output_tokens: output,
            micro_usd: match (price, input, output) {
                (Some(price), Some(input), Some(output)) => Some(price.cost(input, output)),
                _ => None,
            },
            ..Bound::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        let price = Price {
            input: 2_500_000,
            output: 10_000_000,
            most_input_tokens: Some(128_000),
            most_output_tokens: Some(16_384),
        };
        [("openai/gpt".to_owned(), price)].into_iter().collect()
    }

    #[test]
    fn costs_round_up() {
        let price = prices().of("openai", "gpt").unwrap();
        assert_eq!(price.cost(1_000_000, 0), 2_500_000);
        assert_eq!(price.cost(1, 0), 3);
        assert_eq!(price.cost(0, 1), 10);
        assert_eq!(price.cost(u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn a_bound_is_what_is_asked_or_what_the_model_gives() {
        let asked = Asked {
            bytes: Some(1000),
            most_output_tokens: Some(100),
            choices: 2,
        };
        let bound = prices().bound("openai", "gpt", asked);
        assert_eq!((bound.input_tokens, bound.output_tokens), (Some(1000), Some(200)));
        assert_eq!(bound.micro_usd, Some(2500 + 2000));
        let open = Asked {
            bytes: None,
            most_output_tokens: None,
            choices: 1,
        };
        let bound = prices().bound("openai", "gpt", open);
        assert_eq!(
            (bound.input_tokens, bound.output_tokens),
            (Some(128_000), Some(16_384))
        );
        let bound = prices().bound("openai", "other", open);
        assert_eq!(
            (bound.input_tokens, bound.output_tokens, bound.micro_usd),
            (None, None, None)
        );
        // A bound of nothing that was multiplied past the end is no bound.
        let many = Asked {
            most_output_tokens: Some(u64::MAX),
            choices: 2,
            ..asked
        };
        assert_eq!(Prices::default().bound("a", "b", many).output_tokens, None);
    }
}
