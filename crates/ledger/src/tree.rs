//! The hash tree of RFC 6962 section 2.1 (RFC 9162 section 2.1), and its proofs.
//!
//! [`Tree`] is the compact range: only the roots of the complete subtrees on the right edge, at most 64 digests.
//! Proofs are built from a caller's node source and checked here; what does not check is refused with a reason.
//! INVARIANT: a proof accepted by `verify_*` was built over those very leaves, up to SHA-256 collisions.

use bartizan_types::Digest;

use crate::entry::hash;

/// Longest proof: a tree of 2^64 leaves has 64 levels, and a consistency proof may add one.
pub const PROOF_MAX: usize = 65;

/// Hash of two subtrees.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    hash(&[&[1], &left.0, &right.0])
}

/// A growing tree, remembered by its right edge.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    size: u64,
    /// Roots of complete subtrees, largest first; one for each set bit of `size`.
    edge: Vec<Digest>,
}

impl Tree {
    /// A tree from its size and right edge, largest subtree first. `None` when they don't fit each other.
    #[must_use]
    pub fn from_edge(size: u64, edge: Vec<Digest>) -> Option<Self> {
        let wanted = usize::try_from(size.count_ones()).ok()?;
        (edge.len() == wanted).then_some(Self { size, edge })
    }

    /// Leaves so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The right edge, largest subtree first.
    #[must_use]
    pub fn edge(&self) -> &[Digest] {
        &self.edge
    }

    /// Adds one leaf hash. A tree of 2^64 - 1 leaves stays as it is; no disk holds that many.
    pub fn append(&mut self, leaf: Digest) {
        let Some(size) = self.size.checked_add(1) else {
            return;
        };
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.edge.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.edge.push(node);
        self.size = size;
    }

    /// The root; SHA-256 of nothing for the empty tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut edge = self.edge.iter().rev();
        let Some(first) = edge.next() else {
            return hash(&[]);
        };
        edge.fold(*first, |right, left| node_hash(left, &right))
    }
}

/// Why a proof is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// The index is not below the size, or the first size is above the second.
    #[error("the proof is about a place outside the tree")]
    Range,
    /// Too many or too few hashes for these sizes.
    #[error("the proof has the wrong length")]
    Length,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
    /// A node needed to build the proof is not there.
    #[error("a node of the tree is not there")]
    Node,
}

/// Gives the root of the complete subtree of `2^level` leaves that starts at leaf `index << level`.
pub type Nodes<'a> = &'a mut dyn FnMut(u32, u64) -> Option<Digest>;

/// The root over leaves `low..high`, from complete subtrees.
///
/// # Errors
/// [`ProofFault::Node`] when the source lacks one, [`ProofFault::Range`] for an empty range.
pub fn range_root(low: u64, high: u64, nodes: Nodes<'_>) -> Result<Digest, ProofFault> {
    let width = high
        .checked_sub(low)
        .filter(|w| *w > 0)
        .ok_or(ProofFault::Range)?;
    if width.is_power_of_two() {
        let level = width.trailing_zeros();
        return nodes(level, low >> level).ok_or(ProofFault::Node);
    }
    let middle = low + split(width);
    let left = range_root(low, middle, nodes)?;
    let right = range_root(middle, high, nodes)?;
    Ok(node_hash(&left, &right))
}

/// The root of the first `size` leaves.
///
/// # Errors
/// As [`range_root`]; the empty tree has a root of its own.
pub fn root_at(size: u64, nodes: Nodes<'_>) -> Result<Digest, ProofFault> {
    if size == 0 {
        Ok(hash(&[]))
    } else {
        range_root(0, size, nodes)
    }
}

/// PATH(index, D\[size\]) of RFC 6962 section 2.1.1.
///
/// # Errors
/// [`ProofFault::Range`] or [`ProofFault::Node`].
pub fn inclusion_proof(index: u64, size: u64, nodes: Nodes<'_>) -> Result<Vec<Digest>, ProofFault> {
    if index >= size {
        return Err(ProofFault::Range);
    }
    let (mut low, mut high) = (0, size);
    let mut proof = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            proof.push(range_root(middle, high, nodes)?);
            high = middle;
        } else {
            proof.push(range_root(low, middle, nodes)?);
            low = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// PROOF(first, D\[size\]) of RFC 6962 section 2.1.2. Empty for equal sizes and from the empty tree.
///
/// # Errors
/// [`ProofFault::Range`] or [`ProofFault::Node`].
pub fn consistency_proof(first: u64, size: u64, nodes: Nodes<'_>) -> Result<Vec<Digest>, ProofFault> {
    if first > size {
        return Err(ProofFault::Range);
    }
    if first == size || first == 0 {
        return Ok(Vec::new());
    }
    let (mut low, mut high, mut whole) = (0, size, true);
    let mut proof = Vec::new();
    while first != high {
        let middle = low + split(high - low);
        if first <= middle {
            proof.push(range_root(middle, high, nodes)?);
            high = middle;
        } else {
            proof.push(range_root(low, middle, nodes)?);
            low = middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(range_root(low, high, nodes)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks an inclusion proof (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// [`ProofFault`] says what fails.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    proof: &[Digest],
    root: &Digest,
) -> Result<(), ProofFault> {
    if index >= size {
        return Err(ProofFault::Range);
    }
    let (mut node, mut last, mut found) = (index, size - 1, *leaf);
    for step in proof {
        if last == 0 {
            return Err(ProofFault::Length);
        }
        if node & 1 == 1 || node == last {
            found = node_hash(step, &found);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            found = node_hash(&found, step);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofFault::Length);
    }
    if found == *root {
        Ok(())
    } else {
        Err(ProofFault::Root)
    }
}

/// Checks a consistency proof between two heads (RFC 9162 section 2.1.4.2).
///
/// # Errors
/// [`ProofFault`] says what fails.
pub fn verify_consistency(
    first: u64,
    second: u64,
    first_root: &Digest,
    second_root: &Digest,
    proof: &[Digest],
) -> Result<(), ProofFault> {
    if first > second {
        return Err(ProofFault::Range);
    }
    if first == second || first == 0 {
        let same = if first == 0 {
            *first_root == hash(&[])
        } else {
            first_root == second_root
        };
        return match (proof.is_empty(), same) {
            (false, _) => Err(ProofFault::Length),
            (true, false) => Err(ProofFault::Root),
            (true, true) => Ok(()),
        };
    }
    let mut steps = proof.iter();
    let seed = if first.is_power_of_two() {
        Some(first_root)
    } else {
        steps.next()
    };
    let seed = seed.ok_or(ProofFault::Length)?;
    let (mut node, mut last) = (first - 1, second - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (*seed, *seed);
    for step in steps {
        if last == 0 {
            return Err(ProofFault::Length);
        }
        if node & 1 == 1 || node == last {
            old = node_hash(step, &old);
            new = node_hash(step, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, step);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofFault::Length);
    }
    if old == *first_root && new == *second_root {
        Ok(())
    } else {
        Err(ProofFault::Root)
    }
}

/// Largest power of two below `width`, for `width` of at least 2.
const fn split(width: u64) -> u64 {
    1 << (63 - (width - 1).leading_zeros())
}

#[cfg(test)]
mod tests;
