//! A file as its program sees it, and as it lies on the disk.

use pychat_testkit::dice::Dice;

/// A file. What was written is seen at once, and is on the disk once it was synced.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// With everything that was written.
    seen: Vec<u8>,
    /// What a power cut leaves for certain.
    durable: Vec<u8>,
    /// What was done since the last sync, in order. Empty after each sync.
    unsynced: Vec<Change>,
    /// Whether a sync failed, so that more is seen than will ever be on the disk by itself.
    doubtful: bool,
    /// Whether its name is on the disk.
    named: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => write(to, *at, bytes),
            Self::Resize(length) => to.resize(*length, 0),
        }
    }
}

fn write(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[at..end].copy_from_slice(bytes);
}

impl File {
    pub(super) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Reads what there is; answers how much.
    pub(super) fn read(&self, at: usize, into: &mut [u8]) -> usize {
        let rest = self.seen.get(at..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        count
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        write(&mut self.seen, at, bytes);
        self.unsynced.push(Change::Write { at, bytes: bytes.to_vec() });
    }

    pub(super) fn resize(&mut self, length: usize) {
        self.seen.resize(length, 0);
        self.unsynced.push(Change::Resize(length));
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
        self.named = true;
    }

    /// A sync fails: some of it reached the disk, and the rest never will, though the program goes
    /// on seeing it. A later sync says that all is well. So does Linux.
    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        self.doubtful |= !self.unsynced.is_empty();
        for change in self.unsynced.drain(..) {
            if dice.below(2) == 0 {
                change.apply(&mut self.durable);
            }
        }
    }

    /// Writes all of it again and syncs it.
    pub(super) fn rewrite(&mut self) {
        self.durable.clone_from(&self.seen);
        self.unsynced.clear();
        self.doubtful = false;
        self.named = true;
    }

    /// Whether anything is seen that a power cut may take away.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.doubtful || !self.unsynced.is_empty()
    }

    /// The power is gone: of what was not synced, all is lost, or the end, or any part; and the last
    /// write may be torn. Answers whether the file still has its name.
    pub(super) fn lose_power(&mut self, dice: &mut Dice) -> bool {
        let unsynced = std::mem::take(&mut self.unsynced);
        let stay: Vec<Change> = match dice.below(3) {
            0 => Vec::new(),
            1 => {
                let count = dice.below(unsynced.len() as u64 + 1) as usize;
                unsynced.into_iter().take(count).collect()
            }
            _ => unsynced.into_iter().filter(|_| dice.below(2) == 0).collect(),
        };
        let named = self.named || (!stay.is_empty() && dice.below(2) == 0);
        let last = stay.len().saturating_sub(1);
        for (index, mut change) in stay.into_iter().enumerate() {
            if let Change::Write { bytes, .. } = &mut change
                && index == last
                && dice.below(2) == 0
            {
                bytes.truncate(dice.below(bytes.len() as u64 + 1) as usize);
            }
            change.apply(&mut self.durable);
        }
        self.seen.clone_from(&self.durable);
        self.doubtful = false;
        named
    }

    /// As the worst power cut would leave it; `None` if it would have no name.
    pub(super) fn worst(&self) -> Option<Self> {
        self.named.then(|| Self {
            seen: self.durable.clone(),
            durable: self.durable.clone(),
            unsynced: Vec::new(),
            doubtful: false,
            named: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; file.len()];
        assert_eq!(file.read(0, &mut bytes), bytes.len());
        bytes
    }

    #[test]
    fn what_was_synced_survives_every_power_cut_and_the_rest_may_not() {
        let (mut lost, mut kept, mut torn) = (0, 0, 0);
        for seed in 0..200 {
            let mut dice = Dice::new(seed);
            let mut file = File::default();
            file.write(0, b"safe");
            file.sync();
            file.write(4, b" and not");
            assert_eq!(content(&file), b"safe and not");
            assert!(file.lose_power(&mut dice), "seed {seed}: the name was synced too");
            let left = content(&file);
            assert!(left.starts_with(b"safe"), "seed {seed}: {left:?}");
            match left.len() {
                4 => lost += 1,
                12 => kept += 1,
                _ => torn += 1,
            }
        }
        assert!(lost > 0 && kept > 0 && torn > 0, "{lost} {kept} {torn}");
    }

    #[test]
    fn a_failed_sync_is_not_mended_by_a_later_one() {
        let mut dice = Dice::new(1);
        let mut lost = 0;
        for _ in 0..50 {
            let mut file = File::default();
            file.sync();
            file.write(0, b"x");
            file.fail_sync(&mut dice);
            file.sync();
            assert_eq!(content(&file), b"x", "it is seen");
            lost += u32::from(file.worst().expect("it has a name").len() == 0);
        }
        assert!(lost > 0);
    }

    #[test]
    fn a_file_that_was_never_synced_may_vanish() {
        let stays = |seed| {
            let mut file = File::default();
            file.write(0, b"x");
            assert!(file.worst().is_none());
            file.lose_power(&mut Dice::new(seed))
        };
        let named = (0..100).filter(|seed| stays(*seed)).count();
        assert!((1..100).contains(&named), "{named}");
    }
}
