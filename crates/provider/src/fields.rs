//! How settings are read, whatever they are written in.

use std::time::Duration;

use crate::{BaseUrls, Item, SecretSource, Secrets};

/// The fields of one section, taken one by one. What is wrong is noted with its place, and reading
/// goes on, so that all mistakes are told at once: `None` is a field that is absent, or wrong.
pub trait Fields {
    /// A text.
    fn text(&mut self, name: &'static str) -> Option<String>;

    /// Texts: a list, or one.
    fn texts(&mut self, name: &'static str) -> Option<Vec<String>>;

    /// Texts by name, in the order in which they were given.
    fn table(&mut self, name: &'static str) -> Option<Vec<(String, String)>>;

    /// A list of texts and of texts by name; one text is a list of one.
    fn items(&mut self, name: &'static str) -> Option<Vec<Item>>;

    /// A time of `shortest` or more.
    fn duration(&mut self, name: &'static str, shortest: Duration) -> Option<Duration>;

    /// A whole number of 1 or more.
    fn positive(&mut self, name: &'static str) -> Option<u64>;

    /// A secret: a value, a file, or a variable.
    fn secret(&mut self, name: &'static str) -> Option<SecretSource>;

    /// Secrets: a list, or one.
    fn secrets(&mut self, name: &'static str) -> Option<Secrets>;

    /// One URL, or several; `example` is shown if they are none.
    fn base_urls(&mut self, name: &'static str, example: &str) -> Option<BaseUrls>;

    /// Notes that the field is given, and makes no sense because of `why`.
    fn unsupported(&mut self, name: &'static str, why: &str);

    /// Notes that what stands in a field is wrong, which was taken before.
    fn wrong(&mut self, name: &'static str, why: &str);

    /// Notes that a field is missing which has to hold `what`; not if it was wrong.
    fn missing(&mut self, name: &'static str, what: &str);
}

impl dyn Fields + '_ {
    /// A text that `read` makes something of, or tells what is wrong.
    pub fn parsed<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(name)?;
        read(&text).map_err(|why| self.wrong(name, &why)).ok()
    }

    /// One of these words; `what` says what they are.
    pub fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        what: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        self.parsed(name, |text| {
            let chosen = choices.iter().find(|(word, _)| *word == text);
            chosen.map(|(_, choice)| *choice).ok_or_else(|| {
                let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
                format!("{text:?} is not {what}: {}", words.join(" or "))
            })
        })
    }

    /// Notes what is missing if there is no value.
    pub fn required<T>(&mut self, name: &'static str, what: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.missing(name, what);
        }
        value
    }
}
