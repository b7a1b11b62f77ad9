//! What a Redis does not do that evertoken can go without, and what the lack of it costs.

use std::fmt;

/// Something that a Redis, a proxy before it, or the rights of its user do not give. The work goes on
/// without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Lack {
    /// RESP3 (`HELLO 3`): Redis before 6, and many proxies.
    Resp3,
    /// `SUBSCRIBE` or `PUBLISH`.
    Messages,
    /// `EVALSHA`.
    ScriptCache,
    /// `TIME`, on its own.
    Time,
    /// `INFO`.
    Info,
    /// `HGETALL`.
    Workers,
}

// === impl Lack ===

impl Lack {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Resp3, Self::Messages, Self::ScriptCache, Self::Time, Self::Info, Self::Workers];

    /// The command that is refused.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Resp3 => "HELLO 3",
            Self::Messages => "SUBSCRIBE and PUBLISH",
            Self::ScriptCache => "EVALSHA",
            Self::Time => "TIME",
            Self::Info => "INFO",
            Self::Workers => "HGETALL",
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it does not take {} from this user: ", self.command())?;
        f.write_str(match self {
            Self::Resp3 => {
                "RESP2 is spoken, and a worker hears messages on a second connection"
            }
            Self::Messages => {
                "workers hear no messages; each reads one record a second in turn, so with N \
                 credentials a report of a dead token may wait N seconds, and at least 10"
            }
            Self::ScriptCache => "each commit carries the text of its script, about 5 kB",
            Self::Time => "the time is asked for by a script at each read, and it is not noticed when its clock is set",
            Self::Info => {
                "its settings cannot be checked, and as it is not known which server answers, each \
                 broken connection counts as a failover, after which the data is compared before the \
                 next call"
            }
            Self::Workers => "no worker sees which others live, on the page for one",
        })
    }
}
