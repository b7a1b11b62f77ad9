//! Credentials that are derived from others: each finds the one whose token it needs, and takes over
//! what it needs of its settings. Those that cannot are mistakes. Pure.

use std::collections::BTreeSet;

use super::{Mistake, read::Read};
use crate::credential::CredentialId;

/// How far the credential at a place in the list has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Untouched,
    /// It waits for those that it needs.
    Begun,
    Done,
}

/// All credentials, which are ordered by id, and what is wrong with how they need each other.
struct Deriving<'a> {
    read: &'a mut [Read],
    stages: Vec<Stage>,
    /// Those that are configured and have mistakes, which are told elsewhere.
    unread: &'a [CredentialId],
    mistakes: &'a mut Vec<Mistake>,
}

/// Has each credential take over what it needs of those that it needs, these first.
pub(super) fn derive(read: &mut [Read], unread: &[CredentialId], mistakes: &mut Vec<Mistake>) {
    let derived: Vec<usize> = (0..read.len())
        .filter(|at| {
            read.get(*at).is_some_and(|each| !each.credential.provider.inputs().is_empty())
        })
        .collect();
    let stages = vec![Stage::Untouched; if derived.is_empty() { 0 } else { read.len() }];
    let mut deriving = Deriving { read, stages, unread, mistakes };
    for at in derived {
        deriving.walk(at);
    }
}

// === impl Deriving ===

impl Deriving<'_> {
    /// From `start` along what each needs, to one that needs nothing more; then back. Where several are
    /// needed, each is walked in turn.
    fn walk(&mut self, start: usize) {
        let mut way = vec![start];
        while let Some(&at) = way.last() {
            let needs = self.needs(at);
            self.set(at, Stage::Begun);
            match needs.iter().find(|need| self.stage(**need) != Stage::Done) {
                None => {
                    self.take_over(at, &needs);
                    self.set(at, Stage::Done);
                    way.pop();
                }
                Some(need) if self.stage(*need) == Stage::Begun => {
                    self.circle(&way, *need);
                    way.drain(..).for_each(|at| self.set(at, Stage::Done));
                }
                Some(need) => way.push(*need),
            }
        }
    }

    fn stage(&self, at: usize) -> Stage {
        self.stages.get(at).copied().unwrap_or(Stage::Done)
    }

    fn set(&mut self, at: usize, stage: Stage) {
        if let Some(known) = self.stages.get_mut(at) {
            *known = stage;
        }
    }

    /// Where those stand in the list that are needed. What is not configured is told once.
    fn needs(&mut self, at: usize) -> Vec<usize> {
        let is_new = self.stage(at) == Stage::Untouched;
        let Some(each) = self.read.get(at) else { return Vec::new() };
        let mut needs = Vec::new();
        let mut unknown = Vec::new();
        for need in each.credential.provider.inputs() {
            match self.read.binary_search_by(|other| other.credential.id.cmp(need)) {
                Ok(found) => needs.push(found),
                Err(_) if is_new && !self.unread.contains(need) => unknown.push(need.clone()),
                Err(_) => {}
            }
        }
        for need in unknown {
            self.mistake(at, &format!("there is no credential {need}: {}", self.others(at)));
        }
        needs
    }

    /// Which credentials could have been meant.
    fn others(&self, at: usize) -> String {
        let others = self.read.iter().enumerate().filter(|(other, _)| *other != at);
        let names: Vec<_> =
            others.map(|(_, other)| other.credential.id.as_str()).take(10).collect();
        match names[..] {
            [] => "add its section".to_owned(),
            _ => format!("add its section, or name one of these: {}", names.join(", ")),
        }
    }

    fn take_over(&mut self, at: usize, needs: &[usize]) {
        for need in needs {
            let [Some(each), Some(parent)] = self
                .read
                .get_disjoint_mut([at, *need])
                .map_or([None, None], |[each, parent]| [Some(each), Some(parent)])
            else {
                continue;
            };
            let parent = &parent.credential;
            if let Err(why) = each.credential.provider.derive_from(&*parent.provider) {
                let message = format!("{} {why}", parent.id);
                self.mistake(at, &message);
            }
        }
    }

    /// `way` leads back to `first`.
    fn circle(&mut self, way: &[usize], first: usize) {
        let circle = way.iter().skip_while(|at| **at != first);
        let names: BTreeSet<_> = circle
            .filter_map(|at| self.read.get(*at))
            .map(|each| each.credential.id.as_str())
            .collect();
        let names: Vec<_> = names.into_iter().collect();
        let what = match names[..] {
            [_] => "it needs its own token".to_owned(),
            _ => format!(
                "{} need each other's tokens, so that none can be first",
                names.join(" and ")
            ),
        };
        self.mistake(first, &format!("{what}: name a credential that has a secret of its own"));
    }

    fn mistake(&mut self, at: usize, what: &str) {
        let Some(Read { credential, needs, .. }) = self.read.get(at) else { return };
        let message = format!("credentials.{}.parent: {what}", credential.id);
        self.mistakes.push(Mistake { place: needs.to_string(), message });
    }
}
