//! What each shard knows of whose mailboxes are. Each node tells all others who is there again and again, and the home shard
//! of each of these learns it, with no proof. A table that is full forgets all, with what was proven.

use super::{
    figures::{SECOND, TOLD_EVERY},
    model::Deployment,
};

/// The tables of all shards.
pub(super) struct Routes {
    nodes: usize,
    shards: usize,
    /// How many a shard remembers.
    most: u32,
    /// Of each shard: how many it knows that are at each node.
    known: Vec<Vec<u32>>,
    /// Of each shard: when it last forgot all.
    forgotten_at: Vec<Option<u64>>,
}

impl Routes {
    pub(super) fn new(deployment: Deployment, most: u32) -> Self {
        let (nodes, shards) = (usize::from(deployment.nodes), usize::from(deployment.shards));
        let known = vec![vec![0; nodes]; nodes * shards];
        Self { nodes, shards, most, known, forgotten_at: vec![None; nodes * shards] }
    }

    /// In the second that begins now, some nodes tell who is there, each in a second of its own of each minute. `sessions`
    /// are those of all shards.
    pub(super) fn next_second(&mut self, begin: u64, sessions: &[u32]) {
        let every = TOLD_EVERY / SECOND;
        let now = begin / SECOND % every;
        let is_due = |teller: &usize| *teller as u64 * every / self.nodes as u64 == now;
        for teller in (0..self.nodes).filter(is_due) {
            for shard in (0..self.known.len()).filter(|shard| shard / self.shards != teller) {
                // A user's home has the same number at each node.
                let told = sessions[teller * self.shards + shard % self.shards];
                if learn(&mut self.known[shard], teller, told, self.most) {
                    self.forgotten_at[shard] = Some(begin);
                }
            }
        }
    }

    /// When a shard last forgot what was proven.
    pub(super) fn forgotten_at(&self, shard: usize) -> Option<u64> {
        self.forgotten_at[shard]
    }
}

/// Hears of so many at a node, and says whether there was too little room.
fn learn(known: &mut [u32], teller: usize, told: u32, most: u32) -> bool {
    let others: u32 = known.iter().sum::<u32>() - known[teller];
    if others + told <= most {
        known[teller] = known[teller].max(told);
        return false;
    }
    // Those who fitted before all were forgotten, and again after each time that it is full.
    let new = told.saturating_sub(known[teller]);
    if new == 0 {
        return false;
    }
    let left = new - (most - others - known[teller]).min(new - 1);
    known.fill(0);
    known[teller] = (left - 1) % most + 1;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u32 = 1_000;

    #[test]
    fn a_table_with_room_for_all_forgets_nothing() {
        let mut known = [0; 3];
        for teller in [1, 2, 1, 2] {
            assert!(!learn(&mut known, teller, MOST / 2, MOST));
        }
        assert_eq!(known, [0, MOST / 2, MOST / 2]);
    }

    #[test]
    fn a_table_with_too_little_room_forgets_all_whenever_it_is_full() {
        let mut known = [0; 3];
        assert!(!learn(&mut known, 1, MOST, MOST));
        assert!(learn(&mut known, 2, 10, MOST));
        assert_eq!(known, [0, 0, 10]);
        // Ten less fit before it is full, and as many as it holds again.
        assert!(learn(&mut known, 1, 2 * MOST, MOST));
        assert_eq!(known, [0, 10, 0]);
    }
}
