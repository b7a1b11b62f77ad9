//! An issuer of WeChat access tokens, as its documents describe it, with faults on demand.
//!
//! It is the judge of evertoken's tests and the issuer of its demo: at any time it can say
//! whether a token was alive. It depends on nothing of evertoken, so that a misreading of the
//! documents cannot cancel itself out. It is not a stand-in for WeChat's other services: one
//! business call exists, to try tokens with.
//!
//! Map, in reading order:
//!
//! ```text
//! settings   every knob
//! account    one account: tokens, quotas, overlap          (pure)
//! mint       token values and request ids                  (all randomness)
//! fault      what is to go wrong, and with whose calls
//! journal    every call
//! ledger     every token, and when it worked               (the oracle)
//! issuer     the state of all that, and how a call is answered
//! orders     what control asks of the issuer
//! answer     how an answer is written, or spoiled
//! wire       connections that can be reset or slowed
//! wechat     WeChat's endpoints over HTTP
//! oauth      another issuer: OAuth client credentials, with a state of its own
//! github     GitHub, which gives tokens to apps
//! platform   other platforms, each a row of a table; WeChat's tickets, too
//! control    control over HTTP
//! ```
//!
//! A call goes `wechat` → `issuer` (→ `fault`, `account`, `ledger`, `journal`) → `answer`
//! → `wire`. It takes the lock once, or three times if it is delayed, and never across an
//! await. No token and no secret is ever logged.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod account;
mod answer;
mod control;
mod fault;
mod github;
mod issuer;
mod journal;
mod ledger;
mod mint;
mod oauth;
mod orders;
mod platform;
mod settings;
mod wechat;
mod wire;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use account::{AccountState, Endpoint};
pub use fault::{Fault, FaultKind};
pub use github::{GitHub, GitHubCall, GitHubFault};
pub use issuer::CallerState;
pub use journal::{CallFilter, CallRecord, Outcome};
pub use ledger::{TokenRecord, TokenState, Verdict};
pub use mint::TokenValue;
pub use oauth::{OAuth, OAuthCall, OAuthFault, OAuthSettings};
pub use orders::{InvalidOrder, Summary};
pub use platform::Desks;
pub use settings::{Accounts, InvalidSettings, Settings};

use issuer::Issuer;
use orders::AccountOrder;
use wire::{Door, Peer};

/// How long [`Simulator::stop`] waits for open connections.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A running simulator. It stops when it is dropped.
pub struct Simulator {
    addr: SocketAddr,
    office: Arc<Office>,
    oauth: OAuth,
    github: GitHub,
    closing: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
}

/// What the handlers share.
struct Office {
    issuer: Mutex<Issuer>,
    /// True once the simulator is to stop.
    closing: watch::Receiver<bool>,
}

/// The simulator's own clock: Unix milliseconds. Everything else is handed the time.
#[expect(clippy::disallowed_methods, reason = "the simulator keeps its own clock, read here alone")]
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

// === impl Simulator ===

impl Simulator {
    /// Listens on `addr` (port 0 for any) and serves from now on.
    ///
    /// Fails if the address cannot be bound, or the settings cannot be carried out.
    pub async fn start(addr: SocketAddr, settings: Settings) -> io::Result<Self> {
        settings.check().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (closing, is_closing) = watch::channel(false);
        let issuer = Mutex::new(Issuer::new(settings));
        let office = Arc::new(Office { issuer, closing: is_closing.clone() });
        let (oauth, github) = (OAuth::default(), GitHub::default());
        let router = wechat::routes()
            .merge(platform::routes())
            .merge(control::routes())
            .with_state(office.clone());
        let router = router.merge(oauth::routes(oauth.clone()));
        let router = router.merge(github::routes(github.clone()));
        let door = Door { listener, closing: is_closing.clone() };
        let service = router.into_make_service_with_connect_info::<Peer>();
        let mut stopped = is_closing;
        #[expect(clippy::disallowed_methods, reason = "the handle below owns the task")]
        let serving = tokio::spawn(async move {
            let signal = async move {
                // An error means that the simulator was dropped: the same thing.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            };
            if let Err(error) = axum::serve(door, service).with_graceful_shutdown(signal).await {
                tracing::error!(%error, "simulator stopped serving");
            }
        });
        tracing::debug!(%addr, "simulator started");
        Ok(Self { addr, office, oauth, github, closing, serving: Some(serving) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its OAuth issuer, at `/oauth2/token`.
    pub fn oauth(&self) -> &OAuth {
        &self.oauth
    }

    /// GitHub, as apps see it.
    pub fn github(&self) -> &GitHub {
        &self.github
    }

    /// `http://ADDR`, the base URL of WeChat's endpoints.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The base URL for a caller whose address is to be `caller`.
    pub fn base_url_from(&self, caller: IpAddr) -> String {
        format!("http://{}/from/{caller}", self.addr)
    }

    /// Stops, and returns once the address is free again. Calls that are being delayed are
    /// cut off.
    pub async fn stop(mut self) {
        self.closing.send_replace(true);
        if let Some(serving) = self.serving.take() {
            // Over time or not, nothing is left to do about it.
            let _ = tokio::time::timeout(STOP_PATIENCE, serving).await;
        }
    }

    /// Queues a fault. It takes effect with the next call it fits.
    pub fn fault(&self, fault: Fault) -> Result<(), InvalidOrder> {
        self.office.issuer().add_fault(fault)
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        self.office.issuer().faults.clear();
    }

    /// The settings as they are.
    pub fn settings(&self) -> Settings {
        self.office.issuer().settings.clone()
    }

    /// Changes settings. If the result cannot be carried out, nothing changes. The state is
    /// locked meanwhile: `change` must not call the simulator.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) -> Result<(), InvalidSettings> {
        let mut issuer = self.office.issuer();
        let mut changed = issuer.settings.clone();
        change(&mut changed);
        changed.check()?;
        issuer.settings = changed;
        Ok(())
    }

    /// The calls that pass the filter, oldest first.
    pub fn calls(&self, filter: &CallFilter) -> Vec<CallRecord> {
        self.office.issuer().journal.select(filter)
    }

    /// The tokens of one account, or of all, oldest first.
    pub fn tokens(&self, appid: Option<&str>) -> Vec<TokenRecord> {
        self.office.issuer().ledger.select(appid, now_ms())
    }

    /// What the calls of one account, or of all, came to.
    pub fn summary(&self, appid: Option<&str>) -> Summary {
        self.office.issuer().summary(appid, now_ms())
    }

    /// Whether a token works now.
    pub fn alive(&self, token: &str) -> Verdict {
        self.alive_at(token, now_ms())
    }

    /// Whether a token worked at `at_ms`, in Unix milliseconds.
    pub fn alive_at(&self, token: &str, at_ms: u64) -> Verdict {
        self.office.issuer().ledger.verdict(token, at_ms)
    }

    /// Issues a token as somebody else would. Returns its number in the ledger.
    pub fn foreign(&self, appid: &str, endpoint: Endpoint) -> Result<u64, InvalidOrder> {
        self.office.issuer().issue_foreign(appid, endpoint, now_ms())
    }

    /// Ends an account's tokens at both endpoints at once. Returns how many.
    pub fn kill(&self, appid: &str) -> Result<usize, InvalidOrder> {
        self.office.issuer().kill(appid, now_ms())
    }

    /// Changes how an address stands with WeChat.
    pub fn caller(&self, ip: IpAddr, state: CallerState) {
        self.office.issuer().callers.insert(ip, state);
    }

    /// Changes an account's secret, its state, or both. A secret makes an unknown account
    /// known.
    pub fn account(
        &self,
        appid: &str,
        secret: Option<&str>,
        state: Option<AccountState>,
    ) -> Result<(), InvalidOrder> {
        let (appid, secret) = (appid.to_owned(), secret.map(str::to_owned));
        self.office.issuer().change_account(AccountOrder { appid, secret, state })
    }

    /// Forgets all calls, tokens, faults and accounts, and returns to the first settings.
    pub fn reset(&self) {
        self.office.issuer().reset();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.closing.send_replace(true);
    }
}

// === impl Office ===

impl Office {
    /// The issuer, locked. A panic elsewhere must not stop the judge from answering.
    fn issuer(&self) -> MutexGuard<'_, Issuer> {
        self.issuer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
