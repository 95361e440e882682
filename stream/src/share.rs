//! How many partitions each member of a group should have.

/// The fair share of the member at `rank` (0 = joined first) out of `members`; the shares of all members add up to
/// `partitions`, and differ by at most one.
pub(crate) fn quota(partitions: usize, members: usize, rank: usize) -> usize {
    let members = members.max(1);
    partitions / members + usize::from(rank < partitions % members)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::quota;

    proptest! {
        #[test]
        fn shares_are_fair_and_complete(partitions in 0_usize..200, members in 1_usize..50) {
            let shares: Vec<usize> = (0..members).map(|rank| quota(partitions, members, rank)).collect();
            prop_assert_eq!(shares.iter().sum::<usize>(), partitions);
            prop_assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }
}
