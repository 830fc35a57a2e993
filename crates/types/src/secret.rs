//! A value that must not be seen: masked in `Debug`, wiped when dropped.
//!
//! Refuses by absence: no `Serialize`, no `Display`, no equality, no `Clone`. The one way to the value is
//! [`Secret::expose`], so a search for that word lists every place that touches a secret. Wiping covers the
//! value where it stands; a copy the compiler made while moving it is out of reach, so big secrets belong on the
//! heap (`Vec`, `String`), where a move copies the pointer.

use std::fmt;

use zeroize::Zeroize;

/// A secret of type `T`. `Debug` shows only that there is one.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes the value in.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value. Keep the borrow short, and never format what it points to.
    #[must_use]
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    #[test]
    fn debug_is_masked() {
        assert_eq!(
            format!("{:?}", Some(Secret::new("hunter2".to_owned()))),
            "Some(Secret(***))"
        );
    }

    struct Witness(Rc<Cell<bool>>);
    impl Zeroize for Witness {
        fn zeroize(&mut self) {
            self.0.set(true);
        }
    }

    #[test]
    fn dropping_wipes() {
        let wiped = Rc::new(Cell::new(false));
        drop(Secret::new(Witness(Rc::clone(&wiped))));
        assert!(wiped.get());
    }

    /// With the trait present the call has two candidates and does not compile.
    macro_rules! absent {
        ($bound:path) => {{
            trait Absent<Mark> {
                fn holds() -> bool {
                    true
                }
            }
            struct Present;
            impl<T> Absent<()> for T {}
            impl<T: $bound> Absent<Present> for T {}
            <Secret<String> as Absent<_>>::holds()
        }};
    }

    #[test]
    fn forbidden_traits_are_absent() {
        assert!(absent!(serde::Serialize));
        assert!(absent!(PartialEq));
        assert!(absent!(Clone));
        assert!(absent!(fmt::Display));
        assert!(absent!(std::hash::Hash));
        assert!(absent!(AsRef<str>));
    }
}
