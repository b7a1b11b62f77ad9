//! Which entry point an attempt begins with. Pure but for one number.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;

use crate::BaseUrls;

/// The entry points of one credential. An attempt begins with the one that answered last, and with
/// the next once that one has given no answer of the issuer.
#[derive(Debug)]
pub(crate) struct Route {
    /// The setting that names them.
    setting: &'static str,
    bases: BaseUrls,
    first: AtomicUsize,
}

// === impl Route ===

impl Route {
    /// Those that are named by `base_url`.
    pub(crate) fn new(bases: BaseUrls) -> Self {
        Self::named("base_url", bases)
    }

    /// Those that another setting names.
    pub(crate) fn named(setting: &'static str, bases: BaseUrls) -> Self {
        Self { setting, bases, first: AtomicUsize::new(0) }
    }

    pub(crate) fn setting(&self) -> &'static str {
        self.setting
    }

    /// Each entry point once, with its place in the list; the one to begin with comes first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (usize, &Url)> {
        let first = self.first.load(Ordering::Relaxed);
        let each = self.bases.iter().enumerate();
        each.clone().cycle().skip(first).take(each.count())
    }

    /// The next attempt begins behind the entry point at this place. Of several attempts that failed
    /// there, the first one counts.
    pub(crate) fn leave(&self, at: usize) {
        let next = (at + 1) % self.bases.iter().count().max(1);
        // An error says that another attempt has moved on already.
        let _ = self.first.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// The address of a path behind an entry point.
pub(crate) fn address(base: &Url, path: &str) -> String {
    format!("{}{path}", base.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(route: &Route) -> Vec<&str> {
        route.entries().filter_map(|(_, url)| url.host_str()).collect()
    }

    #[test]
    fn an_entry_point_that_was_left_comes_last_and_the_first_of_two_who_leave_it_counts() {
        let bases = BaseUrls::parse(&["http://a", "http://b", "http://c"]).expect("entry points");
        let route = Route::new(bases);
        assert_eq!(hosts(&route), ["a", "b", "c"]);
        route.leave(0);
        route.leave(0);
        assert_eq!(hosts(&route), ["b", "c", "a"]);
        route.leave(1);
        route.leave(2);
        assert_eq!(hosts(&route), ["a", "b", "c"]);
    }
}
