//! Tails of distributions, as natural logarithms: what a finding's p-value stands on.

/// The element, or the type's zero past the end. Every index here comes from our own loops; a wrong one is harmless.
pub(crate) fn at<T: Copy + Default>(slice: &[T], index: usize) -> T {
    slice.get(index).copied().unwrap_or_default()
}

/// `ln Γ(x)` for positive `x`: Stirling's series after shifting up.
pub(crate) fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 8.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0))) / x;
    shift + (x - 0.5) * x.ln() - x + 0.918_938_533_204_672_7 + series
}

/// `ln P(X >= hits)` for `X` binomial.
pub(crate) fn ln_binomial_tail(hits: u64, trials: u64, chance: f64) -> f64 {
    if hits == 0 || chance >= 1.0 {
        return 0.0;
    }
    if hits > trials || chance <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let (n, odds) = (trials as f64, (chance / (1.0 - chance)).ln());
    let first = ln_gamma(n + 1.0) - ln_gamma(hits as f64 + 1.0) - ln_gamma(n - hits as f64 + 1.0)
        + hits as f64 * chance.ln()
        + (n - hits as f64) * (-chance).ln_1p();
    if (hits as f64) < n * chance {
        // The sum from below the middle is one less the other side.
        let below = ln_binomial_tail(trials - hits + 1, trials, 1.0 - chance);
        return (-below.exp()).ln_1p().min(0.0);
    }
    let (mut total, mut term) = (1.0_f64, 0.0_f64);
    for k in hits..trials {
        term += ((trials - k) as f64 / (k + 1) as f64).ln() + odds;
        let add = term.exp();
        total += add;
        if add < total * 1e-12 {
            break;
        }
    }
    (first + total.ln()).min(0.0)
}

/// Fisher's way to join `count` p-values given the sum of their logarithms: `ln` of the joint p-value.
pub(crate) fn ln_fisher(sum_of_logs: f64, count: u32) -> f64 {
    // The tail of chi-squared with 2k degrees at 2x is the chance of fewer than k events of a Poisson with mean x.
    let x = -sum_of_logs;
    if x <= 0.0 {
        return 0.0;
    }
    let (mut total, mut term) = (0.0_f64, 0.0_f64);
    for k in 0..count {
        if k > 0 {
            term += x.ln() - f64::from(k).ln();
        }
        total += term.exp();
    }
    (-x + total.ln()).min(0.0)
}

/// The chance of a two-sample Kolmogorov-Smirnov distance of `distance` or more.
pub(crate) fn ks_chance(distance: f64, n: f64, m: f64) -> f64 {
    let root = (n * m / (n + m)).sqrt();
    let x = (root + 0.12 + 0.11 / root) * distance;
    if x < 0.2 {
        return 1.0;
    }
    let mut sum = 0.0;
    for k in 1..=100_i32 {
        let k = f64::from(k);
        let term = (-2.0 * k * k * x * x).exp();
        sum += if k as i64 % 2 == 1 { term } else { -term };
        if term < 1e-12 {
            break;
        }
    }
    (2.0 * sum).clamp(0.0, 1.0)
}

/// The chance that chi-squared with so many degrees of freedom is `sum` or more: the incomplete gamma function, by its
/// series below the middle and by its continued fraction above.
pub(crate) fn chi2_tail(sum: f64, degrees: f64) -> f64 {
    let (a, x) = (degrees / 2.0, sum / 2.0);
    if x <= 0.0 || a <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut total) = (1.0 / a, 1.0 / a);
        for k in 1..500_i32 {
            term *= x / (a + f64::from(k));
            total += term;
            if term < total * 1e-14 {
                break;
            }
        }
        return (1.0 - front * total).clamp(0.0, 1.0);
    }
    // Lentz's way through the fraction.
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1e300, 1.0 / b);
    let mut h = d;
    for k in 1..500_i32 {
        let k = f64::from(k);
        let an = -k * (k - a);
        b += 2.0;
        d = 1.0 / (an * d + b);
        c = b + an / c;
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-14 {
            break;
        }
    }
    (front * h).clamp(0.0, 1.0)
}

/// The chance that Student's t with so many degrees of freedom is `off` or more.
pub(crate) fn student_tail(off: f64, degrees: f64) -> f64 {
    let half = 0.5 * beta_share(degrees / (degrees + off * off), degrees / 2.0, 0.5);
    if off < 0.0 { 1.0 - half } else { half }
}

/// The regularised incomplete beta function, by its continued fraction (Lentz's way), on the side where that is short.
fn beta_share(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_share(1.0 - x, b, a);
    }
    let front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p() - a.ln();
    let guard = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, 1.0 / guard(1.0 - (a + b) * x / (a + 1.0)));
    let mut h = d;
    for step in 1..500_i32 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut turn = 1.0;
        for part in [even, odd] {
            d = 1.0 / guard(1.0 + part * d);
            c = guard(1.0 + part / c);
            turn = c * d;
            h *= turn;
        }
        if (turn - 1.0).abs() < 1e-14 {
            break;
        }
    }
    (front.exp() * h).clamp(0.0, 1.0)
}

/// Numbers that follow from a seed alone (SplitMix64).
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// In `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normal, mean 0 and variance 1.
    pub(crate) fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * self.unit()).cos()) as f32
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % (end.max(1) as u64)) as usize
    }
}

/// A good mixing of 64 bits.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_tables() {
        assert!((ln_binomial_tail(8, 8, 0.5).exp() - 0.003_906_25).abs() < 1e-9);
        assert!((ln_binomial_tail(1, 10, 0.1).exp() - 0.651_321_559_9).abs() < 1e-8);
        assert!((ln_binomial_tail(3, 10, 0.5).exp() - 0.945_312_5).abs() < 1e-8);
        assert!((ln_gamma(10.0) - 362_880_f64.ln()).abs() < 1e-9);
        assert!((ln_fisher(0.05_f64.ln() * 2.0, 2).exp() - 0.017_478_66).abs() < 1e-6);
        assert!((ks_chance(0.2, 100.0, 100.0) - 0.03).abs() < 0.01);
        assert_eq!(ln_binomial_tail(0, 5, 0.3), 0.0);
        for (off, degrees, tail) in [
            (1.812_461_1, 10.0, 0.05),
            (2.539_483_2, 19.0, 0.01),
            (6.313_751_5, 1.0, 0.05),
            (-1.812_461_1, 10.0, 0.95),
            (0.0, 7.0, 0.5),
            (12.0, 19.0, 1.295_447e-10),
        ] {
            let ours = student_tail(off, degrees);
            assert!((ours / tail - 1.0).abs() < 1e-3, "{off} {degrees}: {ours}");
        }
        for (sum, degrees, tail) in [
            (3.841_458_8, 1.0, 0.05),
            (9.210_340_4, 2.0, 0.01),
            (16.918_977_6, 9.0, 0.05),
            (0.351_846_3, 3.0, 0.95),
            (90.0, 9.0, 1.628_07e-15),
        ] {
            let ours = chi2_tail(sum, degrees);
            assert!((ours / tail - 1.0).abs() < 1e-3, "{sum} {degrees}: {ours}");
        }
    }
}
