//! Budgets and prices, from the file to what the guard counts with.

use std::{collections::BTreeSet, time::Duration};

use bartizan_gateway::config as gateway;
use bartizan_guard::budget::{Budget, Dimension, Price, RESERVED, Window};
use bartizan_types::Meter;

use super::{Wrong, file};

/// Longest window, in seconds: a leap year.
const WINDOW_SECONDS_MAX: u32 = 31_622_400;

/// What may be spent.
pub(super) fn budgets(file: &file::ConfigFile, wrong: &mut Wrong<'_>) -> gateway::Budgets {
    let mut all = Vec::new();
    let mut seen = BTreeSet::new();
    for budget in &file.budget {
        if !seen.insert(budget.name.as_str()) {
            let message = format!("two budgets are called `{}`", budget.name);
            wrong.add("budget.name", &budget.name, message, "");
        }
        if budget.name.starts_with(RESERVED) {
            let message =
                format!("names that begin with `{RESERVED}` are those of what delegations may spend");
            wrong.add("budget.name", &budget.name, message, "");
        }
        all.extend(one(budget, wrong));
    }
    gateway::Budgets {
        prices: file.price.iter().map(priced).collect(),
        most_millis: file.limits.metered_call_ms,
        usage_wait: Duration::from_millis(file.limits.usage_wait_ms),
        all,
    }
}

fn priced(price: &file::spending::Price) -> (String, Price) {
    let resolved = Price {
        input: price.input_micro_usd_per_million_tokens,
        output: price.output_micro_usd_per_million_tokens,
        cache_read: price.cache_read_micro_usd_per_million_tokens,
        cache_write: price.cache_write_micro_usd_per_million_tokens,
        most_input_tokens: price.max_input_tokens,
        most_output_tokens: price.max_output_tokens,
    };
    (price.model.clone(), resolved)
}

fn one(budget: &file::spending::Budget, wrong: &mut Wrong<'_>) -> Option<Budget> {
    let meter = meter(budget.meter);
    let window = window(budget, meter, wrong)?;
    let only = budget.only.iter().map(|(name, values)| {
        let values: BTreeSet<String> = values.iter().cloned().collect();
        (dimension(*name), values)
    });
    Some(Budget {
        name: wrong.name("budget.name", &budget.name)?,
        meter,
        limit: budget.limit,
        window,
        per: budget.per.iter().map(|name| dimension(*name)).collect(),
        only: only.collect(),
        enforce: budget.enforce,
    })
}

fn window(budget: &file::spending::Budget, meter: Meter, wrong: &mut Wrong<'_>) -> Option<Window> {
    use file::spending::Window as Word;
    if meter == Meter::Concurrent {
        return Some(Window::Now);
    }
    let lasting = matches!(budget.window, Word::Sliding | Word::Bucket);
    let seconds = match (lasting, budget.window_seconds) {
        (true, Some(seconds)) if (1..=WINDOW_SECONDS_MAX).contains(&seconds) => seconds,
        (false, None) => 0,
        (true, _) => {
            let message = format!(
                "`{}` needs `window_seconds`, 1 to {WINDOW_SECONDS_MAX}",
                budget.name
            );
            wrong.add("budget.window_seconds", &budget.name, message, "");
            return None;
        }
        (false, Some(_)) => {
            let message = format!(
                "`{}` has `window_seconds`, but no window that has a length",
                budget.name
            );
            let help = "set `window = \"sliding\"` or `window = \"bucket\"`";
            wrong.add("budget.window_seconds", &budget.name, message, help);
            return None;
        }
    };
    Some(match budget.window {
        Word::Total => Window::Total,
        Word::Hour => Window::Hour,
        Word::Day => Window::Day,
        Word::Month => Window::Month,
        Word::Sliding => Window::Sliding { seconds },
        Word::Bucket => Window::Bucket { seconds },
    })
}

const fn meter(meter: file::spending::Meter) -> Meter {
    use file::spending::Meter as Word;
    match meter {
        Word::Calls => Meter::Calls,
        Word::InputTokens => Meter::InputTokens,
        Word::OutputTokens => Meter::OutputTokens,
        Word::Tokens => Meter::Tokens,
        Word::MicroUsd => Meter::MicroUsd,
        Word::Bytes => Meter::Bytes,
        Word::Millis => Meter::Millis,
        Word::Concurrent => Meter::Concurrent,
    }
}

const fn dimension(dimension: file::spending::Dimension) -> Dimension {
    use file::spending::Dimension as Word;
    match dimension {
        Word::Agent => Dimension::Agent,
        Word::User => Dimension::User,
        Word::Tenant => Dimension::Tenant,
        Word::Session => Dimension::Session,
        Word::Tool => Dimension::Tool,
        Word::Server => Dimension::Server,
        Word::Model => Dimension::Model,
        Word::Upstream => Dimension::Upstream,
        Word::Proposer => Dimension::Proposer,
    }
}
