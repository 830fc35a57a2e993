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
    /// The same for a million tokens read from the provider's cache; `None`: as for tokens in.
    pub cache_read: Option<u64>,
    /// The same for a million tokens written to it; `None`: as for tokens in.
    pub cache_write: Option<u64>,
    /// The most tokens it takes in.
    pub most_input_tokens: Option<u64>,
    /// The most tokens one answer of it has.
    pub most_output_tokens: Option<u64>,
}

/// What a call used, as it is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Tokens in, those of the cache not among them.
    pub input: u64,
    /// Tokens read from the provider's cache.
    pub cache_read: u64,
    /// Tokens written to it.
    pub cache_write: u64,
    /// Tokens out.
    pub output: u64,
}

impl Price {
    /// What this many tokens cost at most, rounded up: nobody knows before which of them the cache takes.
    /// INVARIANT: no less than [`Self::cost_of`] any part of them.
    #[must_use]
    pub fn cost(self, input_tokens: u64, output_tokens: u64) -> u64 {
        let read = self.cache_read.unwrap_or(0);
        let dearest = self.input.max(read).max(self.cache_write.unwrap_or(0));
        sum([(input_tokens, dearest), (output_tokens, self.output)])
    }

    /// What this came to, rounded up once.
    #[must_use]
    pub fn cost_of(self, used: Used) -> u64 {
        sum([
            (used.input, self.input),
            (used.cache_read, self.cache_read.unwrap_or(self.input)),
            (used.cache_write, self.cache_write.unwrap_or(self.input)),
            (used.output, self.output),
        ])
    }
}

/// Tokens at prices for a million.
fn sum<const N: usize>(all: [(u64, u64); N]) -> u64 {
    let of = |(tokens, price): (u64, u64)| u128::from(tokens).saturating_mul(u128::from(price));
    let whole = all.into_iter().map(of).fold(0_u128, u128::saturating_add);
    u64::try_from(whole.div_ceil(1_000_000)).unwrap_or(u64::MAX)
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
    /// It asks for more than the listed price.
    pub dearer: bool,
}

impl Prices {
    /// The price of a model; `None` where nobody set one. A whole name goes before the start of one, and a longer start
    /// before a shorter.
    #[must_use]
    pub fn of(&self, upstream: &str, model: &str) -> Option<Price> {
        let full = format!("{upstream}/{model}");
        let begins = || {
            let starts = self
                .0
                .iter()
                .filter_map(|(key, price)| Some((key.strip_suffix('*')?, price)));
            let fits = starts.filter(|(start, _)| full.starts_with(start) || model.starts_with(start));
            fits.max_by_key(|(start, _)| start.len()).map(|(_, price)| price)
        };
        let named = self.0.get(&full).or_else(|| self.0.get(model));
        named.or_else(begins).copied()
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
            micro_usd: match (price.filter(|_| !asked.dearer), input, output) {
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
            ..Price::default()
        };
        [("openai/gpt".to_owned(), price)].into_iter().collect()
    }

    #[test]
    fn the_name_that_says_most_has_the_price() {
        let price = |input| Price {
            input,
            ..Price::default()
        };
        let all = [
            ("*", 1),
            ("gpt*", 2),
            ("openai/gpt-5*", 3),
            ("openai/gpt-5", 4),
            ("mini", 5),
        ];
        let prices: Prices = all
            .map(|(name, input)| (name.to_owned(), price(input)))
            .into_iter()
            .collect();
        let of = |upstream, model| prices.of(upstream, model).map(|price| price.input);
        assert_eq!(of("openai", "gpt-5"), Some(4));
        assert_eq!(of("openai", "gpt-5-2025-08-07"), Some(3));
        assert_eq!(of("openai", "mini"), Some(5));
        assert_eq!(of("other", "gpt-4"), Some(2));
        assert_eq!(of("other", "x"), Some(1));
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
    fn what_the_cache_takes_has_its_own_price_and_no_part_is_dearer_than_the_bound() {
        let price = Price {
            input: 3_000_000,
            output: 15_000_000,
            cache_read: Some(300_000),
            cache_write: Some(6_000_000),
            ..Price::default()
        };
        let used = Used {
            input: 100,
            cache_read: 1000,
            cache_write: 200,
            output: 10,
        };
        assert_eq!(price.cost_of(used), 300 + 300 + 1200 + 150);
        assert_eq!(price.cost(1300, 10), 1300 * 6 + 150);
        let plain = Price {
            cache_read: None,
            cache_write: None,
            ..price
        };
        assert_eq!(plain.cost_of(used), 1300 * 3 + 150);
        assert_eq!(plain.cost(1300, 10), 1300 * 3 + 150);
        for parts in [[100, 0, 0], [0, 100, 0], [0, 0, 100], [33, 33, 34]] {
            let [input, cache_read, cache_write] = parts;
            let used = Used {
                input,
                cache_read,
                cache_write,
                output: 7,
            };
            assert!(price.cost_of(used) <= price.cost(100, 7), "{parts:?}");
        }
    }

    #[test]
    fn a_bound_is_what_is_asked_or_what_the_model_gives() {
        let asked = Asked {
            bytes: Some(1000),
            most_output_tokens: Some(100),
            choices: 2,
            dearer: false,
        };
        let bound = prices().bound("openai", "gpt", asked);
        assert_eq!((bound.input_tokens, bound.output_tokens), (Some(1000), Some(200)));
        assert_eq!(bound.micro_usd, Some(2500 + 2000));
        let open = Asked {
            bytes: None,
            most_output_tokens: None,
            choices: 1,
            dearer: false,
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
        // Nobody listed what a dearer tier costs; how many tokens it takes is known all the same.
        let dearer = Asked {
            dearer: true,
            ..asked
        };
        let bound = prices().bound("openai", "gpt", dearer);
        assert_eq!((bound.output_tokens, bound.micro_usd), (Some(200), None));
        // A bound of nothing that was multiplied past the end is no bound.
        let many = Asked {
            most_output_tokens: Some(u64::MAX),
            choices: 2,
            ..asked
        };
        assert_eq!(Prices::default().bound("a", "b", many).output_tokens, None);
    }
}
