//! Questions to humans, and what they answered, sealed row by row under a key of their own.
//!
//! The seal is a lock and a signature at once (AES-256-GCM): a question holds what an agent wanted to send, and an
//! endorsement that anybody could write would be none. A row that does not open, or was put under another row's name,
//! is handed out by name alone: whoever reads it treats it as absent, which only tightens, and says so.

use std::{fmt, sync::Arc};

use bartizan_types::Secret;

use crate::{Fault, Keyring, Purpose, State, seal::Sealer};

/// Largest row, in bytes.
const ROW_BYTES_MAX: usize = 128 << 10;

/// The sealed rows.
pub struct ApprovalStore {
    state: Arc<State>,
    sealer: Sealer,
}

/// What the rows held.
#[derive(Default)]
pub struct ApprovalRows {
    /// Rows that opened, by name.
    pub rows: Vec<(String, Secret<Vec<u8>>)>,
    /// Names of rows that did not open: altered, or written by somebody else.
    pub refused: Vec<String>,
}

impl ApprovalStore {
    /// Over this state.
    ///
    /// # Errors
    /// [`Fault::Crypto`].
    pub fn open(state: Arc<State>, keyring: &Keyring) -> Result<Self, Fault> {
        let sealer = Sealer::new(&keyring.derive(Purpose::Approvals)?)?;
        Ok(Self { state, sealer })
    }

    /// Every row.
    ///
    /// # Errors
    /// [`Fault::Database`].
    pub fn load(&self) -> Result<ApprovalRows, Fault> {
        let mut all = ApprovalRows::default();
        for (name, sealed) in self.state.approvals()? {
            match self.sealer.open(&about(&name), &sealed) {
                Some(plain) => all.rows.push((name, plain)),
                None => all.refused.push(name),
            }
        }
        Ok(all)
    }

    /// Puts and removes rows, all or none; synced on return.
    ///
    /// # Errors
    /// [`Fault::ValueTooLarge`], [`Fault::Crypto`], [`Fault::Database`].
    pub fn change(&self, puts: &[(String, Secret<Vec<u8>>)], drops: &[String]) -> Result<(), Fault> {
        if puts
            .iter()
            .any(|(name, plain)| name.len() > 256 || plain.expose().len() > ROW_BYTES_MAX)
        {
            return Err(Fault::ValueTooLarge {
                table: "approvals",
                limit: ROW_BYTES_MAX,
            });
        }
        let seal = |(name, plain): &(String, Secret<Vec<u8>>)| {
            Ok((name.clone(), self.sealer.seal(&about(name), plain)?))
        };
        let sealed = puts.iter().map(seal).collect::<Result<Vec<_>, Fault>>()?;
        self.state.change_approvals(&sealed, drops)
    }
}

impl fmt::Debug for ApprovalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApprovalStore(***)")
    }
}

fn about(name: &str) -> Vec<u8> {
    [b"bartizan approval v1\0", name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MasterKey, StateDir};

    fn plain(text: &str) -> Secret<Vec<u8>> {
        Secret::new(text.as_bytes().to_vec())
    }

    fn store(directory: &StateDir) -> (Arc<State>, ApprovalStore) {
        let (master, _) = MasterKey::load(directory).unwrap();
        let keyring = Keyring::open(directory, &master).unwrap();
        let state = Arc::new(State::open(directory).unwrap());
        let store = ApprovalStore::open(Arc::clone(&state), &keyring).unwrap();
        (state, store)
    }

    #[test]
    fn rows_come_back_and_are_not_readable_at_rest() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDir::open(&temporary.path().join("state")).unwrap();
        let (state, store) = store(&directory);
        store
            .change(
                &[
                    ("q/1".to_owned(), plain("a question")),
                    ("e/2".to_owned(), plain("a word")),
                ],
                &[],
            )
            .unwrap();
        store.change(&[], &["e/2".to_owned(), "e/9".to_owned()]).unwrap();
        let all = store.load().unwrap();
        assert_eq!(all.rows.len(), 1);
        assert_eq!(all.rows[0].0, "q/1");
        assert_eq!(all.rows[0].1.expose(), b"a question");
        let (_, sealed) = &state.approvals().unwrap()[0];
        assert!(!sealed.windows(4).any(|window| window == b"ques"));
    }

    #[test]
    fn a_row_that_was_altered_moved_or_made_up_is_refused_by_name() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDir::open(&temporary.path().join("state")).unwrap();
        let (state, store) = store(&directory);
        store.change(&[("e/1".to_owned(), plain("one"))], &[]).unwrap();
        let (_, sealed) = state.approvals().unwrap().remove(0);
        let mut altered = sealed.clone();
        altered[20] ^= 1;
        let puts = [
            ("e/2".to_owned(), sealed),
            ("e/3".to_owned(), altered),
            ("e/4".to_owned(), b"{\"role\":\"target\"}".to_vec()),
        ];
        state.change_approvals(&puts, &[]).unwrap();
        let all = store.load().unwrap();
        assert_eq!(all.rows.len(), 1);
        assert_eq!(all.refused, ["e/2", "e/3", "e/4"]);
    }

    #[test]
    fn a_row_has_a_bound() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDir::open(&temporary.path().join("state")).unwrap();
        let (_, store) = store(&directory);
        let large = Secret::new(vec![0; ROW_BYTES_MAX + 1]);
        assert!(matches!(
            store.change(&[("q/1".to_owned(), large)], &[]),
            Err(Fault::ValueTooLarge { .. })
        ));
    }
}
