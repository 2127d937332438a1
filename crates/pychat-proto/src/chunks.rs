//! A list that grows by chunks of one size: what is in it never moves, so that a table of very many
//! sessions grows without a pause for copying, and without leaving room behind that was outgrown.

use std::ops::{Index, IndexMut};

/// Places in a chunk: with some hundred bytes each, a chunk stays below what an allocator maps by itself.
const CHUNK: usize = 256;

/// The list. Nothing is ever taken out.
#[derive(Debug)]
pub struct Chunks<T>(Vec<Vec<T>>);

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Chunks<T> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * CHUNK + last.len())
    }

    /// Whether nothing was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one at the end.
    pub fn push(&mut self, value: T) {
        match self.0.last_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => last.push(value),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(value);
                self.0.push(chunk);
            }
        }
    }

    /// The one at `index`, if there are so many.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.0.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.0.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.0[index / CHUNK][index % CHUNK]
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.0[index / CHUNK][index % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list_at_the_edges_of_its_chunks_too() {
        let (mut chunks, mut list) = (Chunks::default(), Vec::new());
        assert!(chunks.is_empty() && chunks.get(0).is_none());
        for number in 0..2 * CHUNK + 1 {
            chunks.push(number);
            list.push(number);
            assert_eq!(chunks.len(), list.len());
            assert_eq!((chunks[number], chunks.get(number + 1)), (number, None));
        }
        chunks[CHUNK] = 7;
        *chunks.get_mut(CHUNK - 1).unwrap() = 8;
        (list[CHUNK], list[CHUNK - 1]) = (7, 8);
        assert!(chunks.iter().eq(&list));
        assert_eq!(chunks.get_mut(list.len()), None);
    }
}
