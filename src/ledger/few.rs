//! The first few of a set, in as little room as they take.

/// The first few of a set, in order, each once. The first few of a union are the same in whatever order sets are joined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Few<T>(Vec<T>);

impl<T> Default for Few<T> {
    fn default() -> Few<T> {
        Few(Vec::new())
    }
}

impl<T: Ord + Copy> Few<T> {
    /// The first of these, `limit` at most.
    pub fn of(items: impl IntoIterator<Item = T>, limit: usize) -> Few<T> {
        let mut items: Vec<T> = items.into_iter().collect();
        items.sort_unstable();
        items.dedup();
        items.truncate(limit);
        items.shrink_to_fit();
        Few(items)
    }

    /// Adds others, and keeps the first, `limit` at most.
    pub fn join(&mut self, others: &[T], limit: usize) {
        if self.0.is_empty() {
            // Most stay as they are: no more room than they need.
            self.0.reserve_exact(others.len().min(limit));
        }
        for &other in others {
            // Where it is full, most come too late.
            let full = self.0.len() >= limit;
            if full && self.0.last().is_none_or(|last| *last <= other) {
                continue;
            }
            let Err(place) = self.0.binary_search(&other) else { continue };
            if full {
                self.0.pop();
            }
            self.0.insert(place, other);
        }
    }

    /// In order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }
}

impl<T> std::ops::Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_few_of_a_union_do_not_depend_on_the_order() {
        let sets = [vec![9, 1, 5, 5], vec![3], vec![8, 2, 1], vec![7, 6, 4]];
        let mut forward = Few::default();
        sets.iter().for_each(|set| forward.join(set, 4));
        let mut backward = Few::default();
        sets.iter().rev().for_each(|set| backward.join(&Few::of(set.iter().copied(), 4), 4));
        assert_eq!(&*forward, [1, 2, 3, 4]);
        assert_eq!(forward, backward);
        assert_eq!(forward, Few::of(sets.concat(), 4));
    }
}
