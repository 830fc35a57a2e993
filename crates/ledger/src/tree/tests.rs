use super::*;
use crate::entry::{digest, leaf_hash};
use proptest::prelude::*;

/// The slow definition, straight from RFC 6962 section 2.1.
fn slow_root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => digest(b""),
        [one] => *one,
        many => {
            let mut middle = 1;
            while middle * 2 < many.len() {
                middle *= 2;
            }
            node_hash(&slow_root(&many[..middle]), &slow_root(&many[middle..]))
        }
    }
}

fn leaves(count: usize) -> Vec<Digest> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

fn source(all: &[Digest]) -> impl FnMut(u32, u64) -> Option<Digest> + '_ {
    move |level, index| {
        let low = usize::try_from(index << level).ok()?;
        all.get(low..low + (1 << level)).map(slow_root)
    }
}

fn tree(all: &[Digest]) -> Tree {
    let mut tree = Tree::default();
    all.iter().for_each(|leaf| tree.append(*leaf));
    tree
}

/// The eight leaves and roots every implementation of RFC 6962 is tried with (certificate-transparency's own).
#[test]
fn known_roots() {
    let inputs: [&[u8]; 8] = [
        b"",
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[
            0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f,
        ],
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Tree::default();
    assert_eq!(tree.root().to_string(), roots[0]);
    for (input, root) in inputs.iter().zip(&roots[1..]) {
        tree.append(leaf_hash(input));
        assert_eq!(&tree.root().to_string(), root);
    }
}

#[test]
fn every_proof_of_every_small_tree_checks() {
    let all = leaves(70);
    for size in 1..=all.len() {
        let root = tree(&all[..size]).root();
        assert_eq!(root, slow_root(&all[..size]));
        for index in 0..size {
            let proof = inclusion_proof(index as u64, size as u64, &mut source(&all)).expect("in range");
            assert_eq!(
                verify_inclusion(&all[index], index as u64, size as u64, &proof, &root),
                Ok(())
            );
        }
        for first in 0..=size {
            let proof = consistency_proof(first as u64, size as u64, &mut source(&all)).expect("in range");
            let old = tree(&all[..first]).root();
            assert_eq!(
                verify_consistency(first as u64, size as u64, &old, &root, &proof),
                Ok(()),
                "{first} {size}"
            );
        }
    }
}

proptest! {
    #[test]
    fn a_changed_inclusion_proof_fails(size in 1_usize..200, pick: prop::sample::Index, flip: prop::sample::Index, bit in 0_u8..8, drop: bool) {
        let all = leaves(size);
        let index = pick.index(size);
        let root = slow_root(&all);
        let mut proof = inclusion_proof(index as u64, size as u64, &mut source(&all)).expect("in range");
        if proof.is_empty() || drop {
            if proof.pop().is_none() { proof.push(root) }
        } else {
            let at = flip.index(proof.len());
            proof[at].0[usize::from(bit)] ^= 1 << bit;
        }
        prop_assert!(verify_inclusion(&all[index], index as u64, size as u64, &proof, &root).is_err());
    }

    #[test]
    fn a_proof_speaks_of_one_index_and_one_leaf(size in 2_usize..200, a: prop::sample::Index, b: prop::sample::Index) {
        let all = leaves(size);
        let (a, b) = (a.index(size), b.index(size));
        prop_assume!(a != b);
        let root = slow_root(&all);
        let proof = inclusion_proof(a as u64, size as u64, &mut source(&all)).expect("in range");
        prop_assert!(verify_inclusion(&all[a], b as u64, size as u64, &proof, &root).is_err());
        prop_assert!(verify_inclusion(&all[b], a as u64, size as u64, &proof, &root).is_err());
    }

    #[test]
    fn a_fork_is_never_consistent(size in 1_usize..150, first: prop::sample::Index, changed: prop::sample::Index) {
        let first = first.index(size) + 1;
        let changed = changed.index(first);
        let honest = leaves(size);
        let mut forked = honest.clone();
        forked[changed] = leaf_hash(b"another");
        let proof = consistency_proof(first as u64, size as u64, &mut source(&forked)).expect("in range");
        let verdict = verify_consistency(first as u64, size as u64, &slow_root(&honest[..first]), &slow_root(&forked), &proof);
        prop_assert!(verdict.is_err());
    }

    #[test]
    fn hostile_proofs_never_panic(a: u64, b: u64, proof in prop::collection::vec(any::<[u8; 32]>(), 0..80)) {
        let proof: Vec<Digest> = proof.into_iter().map(Digest).collect();
        let some = Digest([7; 32]);
        prop_assert!(verify_inclusion(&some, a, b, &proof, &some).is_err() || b == 1);
        let _ = verify_consistency(a, b, &some, &some, &proof);
    }

    #[test]
    fn an_edge_restores_its_tree(size in 0_usize..300, more in 0_usize..50) {
        let all = leaves(size + more);
        let half = tree(&all[..size]);
        let mut again = Tree::from_edge(half.size(), half.edge().to_vec()).expect("its own edge");
        all[size..].iter().for_each(|leaf| again.append(*leaf));
        prop_assert_eq!(again.root(), slow_root(&all));
    }
}
