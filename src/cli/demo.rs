//! `evertoken demo`: a fleet, a simulated issuer and faults, on this machine, to look at.
//!
//! It reads no configuration and touches no store but its own. Everything it starts, it ends, on
//! every path: what runs is owned by values that end it when they are dropped, and what is left when
//! the demo is killed, the guard ends.
//!
//! ```text
//! stage: private_redis or a directory, crew, readers, the simulator
//!        │ seen every 20 ms                  ▲ kill, start again
//!        ▼                                   │
//!      scene ──────────────────────────► faults
//!        │
//!        ▼
//!     picture ──► screen          at the end: summary
//! ```

mod answers;
mod crew;
mod directory;
mod faults;
mod guard;
mod lanes;
mod picture;
mod private_redis;
mod readers;
mod scene;
mod screen;
mod stage;
mod summary;
mod view;

use std::{
    io::{self, Write, stdout},
    path::Path,
    time::Duration,
};

use clap::value_parser;
use tokio::{
    signal::unix::{self, Signal, SignalKind},
    time::MissedTickBehavior,
};

use self::{directory::Directory, faults::Faults, guard::Guard, screen::Screen, stage::Stage};
use super::{CommandError, line};
use crate::{clock, config::Environment, credential::Chain};

/// The pause between two looks at everything.
const BEAT: Duration = Duration::from_millis(20);

/// How long the first tokens may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the fleet shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Ground {
    /// A private Redis.
    Redis,
    /// A directory: the embedded store.
    File,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Options {
    /// How long to run, such as 30s [default: until interrupted]
    #[arg(long = "for", value_name = "TIME", value_parser = line::time)]
    length: Option<Duration>,
    /// What the fleet shares
    #[arg(long, value_name = "STORE", default_value = "redis")]
    on: Ground,
    /// How many workers, up to 6
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u8).range(1..=6))]
    workers: u8,
    /// How many readers, up to 50
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u8).range(1..=50))]
    readers: u8,
}

/// The signals that end the demo; and that of Ctrl-Z, which is never looked at: while the readers stood
/// still, the tokens in their hands would die.
struct Ending {
    ends: [Signal; 3],
    _stop: Signal,
}

/// Runs until it is over, interrupted or impossible.
pub(super) async fn run(options: Options, environment: &Environment) -> Result<(), CommandError> {
    let search_path = environment.get("PATH");
    let program = match options.on {
        Ground::Redis => Some(
            private_redis::find(search_path)
                .ok_or_else(|| CommandError::Unavailable(private_redis::HOW_TO_GET.to_owned()))?,
        ),
        Ground::File => None,
    };
    let mut ending = Ending::new()?;
    let mut directory = Directory::new()?;
    let played =
        play(options, environment, program.as_deref(), directory.path(), &mut ending).await;
    played.map_err(|failure| {
        let mut with_logs =
            |text: String| format!("{text}\nThe logs are kept in {}", directory.keep().display());
        match failure {
            CommandError::Broken(text) => CommandError::Broken(with_logs(text)),
            CommandError::Store(error) => {
                CommandError::Unavailable(with_logs(Chain(&error).to_string()))
            }
            CommandError::Unavailable(text) => CommandError::Unavailable(with_logs(text)),
            other => other,
        }
    })
}

async fn play(
    options: Options,
    environment: &Environment,
    program: Option<&Path>,
    directory: &Path,
    ending: &mut Ending,
) -> Result<(), CommandError> {
    let no_start =
        |error: io::Error| CommandError::Unavailable(format!("the demo cannot start: {error}"));
    let guard = Guard::start().map_err(no_start)?;
    let building = Stage::build(options, program, directory, guard.group());
    let (mut stage, mut scene) = tokio::select! {
        built = building => built.map_err(no_start)?,
        () = ending.heard() => return Ok(()),
    };
    let started = clock::now();
    let mut faults = Faults::new(fastrand::Rng::new());
    let mut screen = Screen::open(environment, &guard);
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = ending.heard() => match scene.has_begun() {
                true => break,
                // There is nothing to sum up.
                false => return Ok(()),
            },
            _ = beat.tick() => {}
        }
        let now = clock::now();
        scene.elapsed = now - started;
        stage.observe(&mut scene).await?;
        stage.disturb(&mut scene, &mut faults, now).await?;
        screen.show(&mut scene, now)?;
        if options.length.is_some_and(|length| length <= scene.elapsed) {
            break;
        }
        if !scene.has_begun() && PATIENCE < scene.elapsed {
            let message = format!("the workers published no token within {PATIENCE:?}");
            return Err(CommandError::Unavailable(message));
        }
    }
    stage.observe(&mut scene).await?;
    drop(stage);
    screen.close(&mut scene)?;
    for line in summary::lines(&scene, screen.ink()) {
        writeln!(stdout(), "{line}")?;
    }
    match summary::broken(&scene).is_empty() {
        true => Ok(()),
        false => Err(CommandError::Broken("the demo did not go as it must".to_owned())),
    }
}

// === impl Ground ===

impl Ground {
    /// Where the tokens are kept, in words.
    fn name(self) -> &'static str {
        match self {
            Self::Redis => "in one Redis",
            Self::File => "in one directory",
        }
    }
}

// === impl Ending ===

impl Ending {
    fn new() -> io::Result<Self> {
        let ends = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = ends.map(unix::signal);
        let stop = SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw());
        Ok(Self { ends: [interrupt?, terminate?, hangup?], _stop: unix::signal(stop)? })
    }

    async fn heard(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.ends;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
