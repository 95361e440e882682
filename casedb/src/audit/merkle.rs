//! Merkle trees as in RFC 6962: a signed root proves one entry without showing the others.

use sha2::{Digest as _, Sha256};

use super::entry::Hash;

fn leaf(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The root of a tree over leaves that come one by one.
#[derive(Debug, Default, Clone)]
pub struct Tree {
    /// Roots of full subtrees, the largest first, with their sizes.
    full: Vec<(u64, Hash)>,
}

impl Tree {
    /// Adds a leaf.
    pub fn push(&mut self, data: &[u8]) {
        let mut size = 1;
        let mut hash = leaf(data);
        while let Some((_, left)) = self.full.pop_if(|(before, _)| *before == size) {
            hash = node(&left, &hash);
            size *= 2;
        }
        self.full.push((size, hash));
    }

    /// The root; `None` without leaves.
    pub fn root(&self) -> Option<Hash> {
        let mut from_the_right = self.full.iter().rev().map(|(_, hash)| *hash);
        let last = from_the_right.next()?;
        Some(from_the_right.fold(last, |right, left| node(&left, &right)))
    }
}

/// A step of a proof: the sibling, and whether it stands on the left.
pub type Step = (bool, Hash);

/// The proof that leaf number `at` is in the tree over `leaves`; `None` where there is no such leaf.
pub fn proof(leaves: &[Hash], at: usize) -> Option<Vec<Step>> {
    fn root(hashes: &[Hash]) -> Option<Hash> {
        match hashes {
            [] => None,
            [one] => Some(*one),
            _ => {
                let (left, right) = hashes.split_at(half(hashes.len()));
                Some(node(&root(left)?, &root(right)?))
            }
        }
    }
    fn walk(hashes: &[Hash], at: usize, steps: &mut Vec<Step>) -> Option<()> {
        if hashes.len() <= 1 {
            return (at == 0 && !hashes.is_empty()).then_some(());
        }
        let (left, right) = hashes.split_at(half(hashes.len()));
        if at < left.len() {
            walk(left, at, steps)?;
            steps.push((false, root(right)?));
        } else {
            walk(right, at - left.len(), steps)?;
            steps.push((true, root(left)?));
        }
        Some(())
    }
    let hashes: Vec<Hash> = leaves.iter().map(|data| leaf(data)).collect();
    let mut steps = Vec::new();
    walk(&hashes, at, &mut steps)?;
    Some(steps)
}

/// The largest power of two below a length of at least 2.
fn half(length: usize) -> usize {
    let below = length.saturating_sub(1).max(1);
    1 << below.ilog2()
}

/// The root that a leaf and its proof lead to.
pub fn follow(data: &[u8], steps: &[Step]) -> Hash {
    steps.iter().fold(leaf(data), |hash, (left, sibling)| {
        if *left {
            node(sibling, &hash)
        } else {
            node(&hash, sibling)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_of_every_tree_leads_to_its_root() {
        for size in 1..70_u8 {
            let leaves: Vec<Hash> = (0..size).map(|number| [number; 32]).collect();
            let mut tree = Tree::default();
            for leaf in &leaves {
                tree.push(leaf);
            }
            let root = tree.root().unwrap();
            for (at, leaf) in leaves.iter().enumerate() {
                let steps = proof(&leaves, at).unwrap();
                assert_eq!(follow(leaf, &steps), root, "leaf {at} of {size}");
                assert_ne!(follow(&[0xff; 32], &steps), root);
            }
            assert!(proof(&leaves, leaves.len()).is_none());
        }
        assert!(Tree::default().root().is_none());
    }

    #[test]
    fn the_tree_is_that_of_the_standard() {
        // RFC 6962 test vectors: the tree over one empty leaf.
        let mut tree = Tree::default();
        tree.push(b"");
        assert_eq!(
            hex::encode(tree.root().unwrap()),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }
}
