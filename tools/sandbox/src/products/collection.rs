//! Resources by their SID, in the order in which they were created.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(crate) struct Collection<T> {
    items: Mutex<Vec<(String, Arc<T>)>>,
    max: usize,
}

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self::at_most(usize::MAX)
    }
}

impl<T: Clone> Collection<T> {
    pub(crate) fn add(&self, sid: String, item: T) -> Arc<T> {
        self.push(&mut self.lock(), sid, item)
    }

    /// Adds an item, unless it conflicts with one that is there: then gives that one as the error.
    pub(crate) fn add_unless(&self, sid: String, item: T, conflicts: impl Fn(&T) -> bool) -> Result<Arc<T>, Arc<T>> {
        let mut items = self.lock();
        match items.iter().find(|(_, other)| conflicts(other)) {
            Some((_, other)) => Err(Arc::clone(other)),
            None => Ok(self.push(&mut items, sid, item)),
        }
    }

    /// All items, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.lock().iter().map(|(_, item)| Arc::clone(item)).collect()
    }

    pub(crate) fn get(&self, sid: &str) -> Option<Arc<T>> {
        self.lock().iter().find(|(own, _)| own == sid).map(|(_, item)| Arc::clone(item))
    }

    /// Changes an item, and gives it as it is then; none where there is no such item. An error leaves it as it was.
    pub(crate) fn update<E>(
        &self,
        sid: &str,
        change: impl FnOnce(&mut T) -> Result<(), E>,
    ) -> Option<Result<Arc<T>, E>> {
        let mut items = self.lock();
        let (_, item) = items.iter_mut().find(|(own, _)| own == sid)?;
        let mut changed = T::clone(item);
        Some(change(&mut changed).map(|()| {
            *item = Arc::new(changed);
            Arc::clone(item)
        }))
    }

    /// Removes an item; none where there is no such item.
    pub(crate) fn remove(&self, sid: &str) -> Option<Arc<T>> {
        let mut items = self.lock();
        let index = items.iter().position(|(own, _)| own == sid)?;
        Some(items.remove(index).1)
    }

    fn push(&self, items: &mut Vec<(String, Arc<T>)>, sid: String, item: T) -> Arc<T> {
        let item = Arc::new(item);
        items.push((sid, Arc::clone(&item)));
        if items.len() > self.max {
            items.remove(0);
        }
        item
    }
}

impl<T> Collection<T> {
    /// A collection that forgets its oldest item when it has more than this many.
    pub(crate) fn at_most(max: usize) -> Self {
        Self { items: Mutex::default(), max }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Arc<T>)>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection() -> Collection<u32> {
        let collection = Collection::at_most(2);
        collection.add("a".to_owned(), 1);
        collection.add("b".to_owned(), 2);
        collection
    }

    #[test]
    fn full_collection_forgets_its_oldest_item() {
        let collection = collection();
        collection.add("c".to_owned(), 3);
        assert_eq!(collection.all().iter().map(|item| **item).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(collection.get("a"), None);
    }

    #[test]
    fn conflicting_item_is_not_added() {
        let collection = collection();
        assert_eq!(collection.add_unless("c".to_owned(), 3, |other| *other == 2), Err(Arc::new(2)));
        assert_eq!(collection.get("c"), None);
        assert_eq!(collection.add_unless("c".to_owned(), 3, |other| *other == 4), Ok(Arc::new(3)));
    }

    #[test]
    fn failed_change_leaves_the_item_as_it_was() {
        let collection = collection();
        let failed = collection.update("a", |item| {
            *item = 7;
            Err("no")
        });
        assert_eq!((failed, collection.get("a")), (Some(Err("no")), Some(Arc::new(1))));
        let changed = collection.update("a", |item| {
            *item = 7;
            Ok::<_, &str>(())
        });
        assert_eq!((changed, collection.get("a")), (Some(Ok(Arc::new(7))), Some(Arc::new(7))));
        assert_eq!(collection.update("x", |_| Ok::<_, &str>(())), None);
    }

    #[test]
    fn removed_item_is_gone() {
        let collection = collection();
        assert_eq!((collection.remove("a"), collection.remove("a")), (Some(Arc::new(1)), None));
        assert_eq!(collection.all(), [Arc::new(2)]);
    }
}
