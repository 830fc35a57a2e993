//! Arithmetic and chance that are the same on every machine, so that a seed gives the same weights anywhere.

/// A small generator (SplitMix64). Fit for sampling, and for nothing secret.
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// A generator that yields the same numbers for the same seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x5851_f42d_4c95_7f2d)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 where `bound` is 0.
    pub const fn below(&mut self, bound: usize) -> usize {
        let wide = (self.next() >> 32) as u128 * bound as u128;
        (wide >> 32) as usize
    }

    /// A number from 0 up to and without 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 16_777_216.0
    }

    /// True with this chance.
    pub fn chance(&mut self, chance: f32) -> bool {
        self.unit() < chance
    }

    /// One of them; `None` of an empty slice.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.below(from.len());
        from.get(at)
    }

    /// A random order, in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = self.below(at + 1);
            items.swap(at, other);
        }
    }
}

/// e to the power of `x`, from multiplications and additions alone; the platform's own differs between platforms.
#[must_use]
pub fn exp(x: f32) -> f32 {
    let x = f64::from(x.clamp(-80.0, 80.0));
    let whole = (x * std::f64::consts::LOG2_E).round();
    let rest = x - whole * std::f64::consts::LN_2;
    let mut term = 1.0_f64;
    let mut sum = 1.0_f64;
    for n in 1..12_u32 {
        term *= rest / f64::from(n);
        sum += term;
    }
    // In range: |whole| is at most 116.
    let power = f64::from_bits(((1023 + whole as i64) as u64) << 52);
    (sum * power) as f32
}

/// The natural logarithm of a positive number, likewise; 0 of anything else.
#[must_use]
pub fn ln(x: f32) -> f32 {
    if !(x.is_finite() && x > f32::MIN_POSITIVE) {
        return 0.0;
    }
    let bits = f64::from(x).to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut part = f64::from_bits(bits & 0x000f_ffff_ffff_ffff | 1023 << 52);
    if part > std::f64::consts::SQRT_2 {
        part /= 2.0;
        exponent += 1;
    }
    let ratio = (part - 1.0) / (part + 1.0);
    let (mut term, mut sum) = (ratio, ratio);
    for n in 1..10_u32 {
        term *= ratio * ratio;
        sum += term / f64::from(2 * n + 1);
    }
    (2.0 * sum + exponent as f64 * std::f64::consts::LN_2) as f32
}

/// Logistic function.
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_to_the_platforms() {
        for step in -800..800 {
            let x = step as f32 / 10.0;
            let ours = exp(x);
            assert!((ours - x.exp()).abs() <= x.exp() * 1e-5, "{x}: {ours}");
        }
    }

    #[test]
    fn ln_is_close_to_the_platforms() {
        for step in 1..5000 {
            let x = step as f32 / 7.0;
            assert!((ln(x) - x.ln()).abs() < 1e-5, "{x}");
        }
        assert_eq!(ln(0.0), 0.0);
        assert_eq!(ln(-1.0), 0.0);
    }

    #[test]
    fn draws_stay_below_and_repeat() {
        let (mut one, mut two) = (Draw::new(7), Draw::new(7));
        for bound in 1..500 {
            let drawn = one.below(bound);
            assert!(drawn < bound);
            assert_eq!(drawn, two.below(bound));
        }
        assert_eq!(one.below(0), 0);
    }
}
