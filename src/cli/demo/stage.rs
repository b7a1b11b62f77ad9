//! All that runs in the demo: started together, looked at, disturbed, and ended when dropped.
//!
//! When it is disturbed, `faults` decides; what is made of what is seen, `scene`.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use evertoken_simulator::{Desks, Endpoint, Simulator};
use tokio::time::Instant;

use super::{
    Options,
    answers::Answers,
    crew::{self, Crew},
    faults::Faults,
    private_redis::PrivateRedis,
    readers::{Readers, Shop},
    scene::{Calls, Credential, EventKind, Scene},
};
use crate::{
    cli::CommandError,
    clock,
    credential::CredentialId,
    lease::Holder,
    policy::Issuance,
    store::{self, Glance, Hearing, Read, StoreError, StoreUrl},
};

/// The life of a token.
const LIFETIME: Duration = Duration::from_secs(10);

/// How long a token lives on after a newer one was issued; and how long before its end the issuer
/// that repeats tokens gives a new one.
const OVERLAP: Duration = Duration::from_secs(3);

/// How long the issuer takes to answer, once it has issued: time for a kill to strike in.
const REPLY_LATENCY: Duration = Duration::from_millis(120);

/// From a kill to a look at what the killed worker left: what it had sent is taken by then.
const SETTLED: Duration = Duration::from_millis(20);

/// The credentials. One of each kind of endpoint: at `token` each call kills the token before. The ticket
/// is got with the token of the one before it.
const ACCOUNTS: [Account; 3] = [
    Account {
        id: "shop",
        appid: "wxdemoshop",
        endpoint: "token",
        parent: None,
        more: "quiet_period = \"500ms\"",
    },
    Account { id: "mini", appid: "wxdemomini", endpoint: "stable_token", parent: None, more: "" },
    Account {
        id: "jsapi",
        appid: "wxdemomini",
        endpoint: "getticket",
        parent: Some("mini"),
        more: "",
    },
];

/// A credential of the demo.
struct Account {
    id: &'static str,
    appid: &'static str,
    endpoint: &'static str,
    /// The credential whose token its call needs.
    parent: Option<&'static str>,
    /// More lines of its section.
    more: &'static str,
}

/// All that runs. Fields are ended in this order.
pub(super) struct Stage {
    readers: Readers,
    crew: Crew,
    store: Arc<dyn Read>,
    ids: Vec<CredentialId>,
    answers: Vec<Answers>,
    issuer: Arc<Simulator>,
    _redis: Option<PrivateRedis>,
}

/// The scene before anything has happened.
fn scene(options: Options, crew: &Crew) -> Scene {
    let credential = |account: &Account| {
        let issuance = match account.endpoint {
            "token" => Issuance::Anew,
            "stable_token" => Issuance::Repeats { window: OVERLAP },
            _ => Issuance::Repeats { window: Duration::ZERO },
        };
        let parent = account.parent;
        Credential { parent, ..Credential::new(account.id, account.endpoint, issuance) }
    };
    let credentials = ACCOUNTS.iter().map(credential).collect();
    let mut scene = Scene::new(LIFETIME, credentials, usize::from(options.workers));
    scene.length = options.length;
    scene.readers = usize::from(options.readers);
    scene.ground = options.on.name();
    for (at, worker) in scene.workers.iter_mut().enumerate() {
        worker.page = format!("http://{}/", crew.page(at));
    }
    scene
}

/// The workers' configuration: times that suit tokens of a few seconds. A takeover takes less time
/// than is left of a token when it is due.
fn configuration(store: &str, issuer: &str) -> String {
    let mut text = format!(
        "[store]\nurl = \"{store}\"\n\n[worker]\nrequest_timeout = \"800ms\"\nlease = \"1s\"\n"
    );
    for Account { id, appid, endpoint, parent, more } in &ACCOUNTS {
        text += &match parent {
            Some(parent) => format!(
                "\n[credentials.{id}]\nprovider = \"wechat-ticket\"\nparent = \"{parent}\"\n"
            ),
            None => format!(
                "\n[credentials.{id}]\nprovider = \"wechat\"\nappid = \"{appid}\"\n\
                 secret = \"secret-of-{appid}\"\nendpoint = \"{endpoint}\"\n\
                 base_url = \"{issuer}\"\n{more}\n"
            ),
        };
    }
    text
}

// === impl Account ===

impl Account {
    /// Where the simulator gives its tokens.
    fn place(&self) -> io::Result<Endpoint> {
        match self.endpoint {
            "token" => Ok(Endpoint::Token),
            "stable_token" => Ok(Endpoint::StableToken),
            _ => Desks::named("wechat_jsapi")
                .map(Endpoint::Of)
                .ok_or_else(|| io::Error::other("the simulator gives no tickets")),
        }
    }
}

// === impl Stage ===

impl Stage {
    /// Starts everything in a process group, and tells the scene before anything has happened. What
    /// has been started when something fails is ended.
    pub(super) async fn build(
        options: Options,
        program: Option<&Path>,
        directory: &Path,
        group: i32,
    ) -> io::Result<(Self, Scene)> {
        let redis = match program {
            Some(program) => Some(PrivateRedis::start(program, directory, group).await?),
            None => None,
        };
        let shared = directory.join("data");
        let url = match &redis {
            Some(redis) => redis.url().to_owned(),
            None => format!("file:{}", shared.display()),
        };
        let settings = evertoken_simulator::Settings {
            lifetime_ms: clock::millis(LIFETIME),
            overlap_ms: clock::millis(OVERLAP),
            window_ms: clock::millis(OVERLAP),
            // A night of looking on uses up a day's calls of WeChat.
            daily_quota_token: 1_000_000,
            reply_latency_ms: clock::millis(REPLY_LATENCY),
            ..evertoken_simulator::Settings::default()
        };
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let issuer = Arc::new(Simulator::start(any_port, settings).await?);
        let text = configuration(&url, &issuer.base_url());
        std::fs::write(directory.join(crew::CONFIGURATION), text)?;
        let store = StoreUrl::parse(&url).map_err(io::Error::other)?;
        let store = store::open(&store, "evertoken", Holder::fresh(), Hearing::Nothing);
        let ids = ACCOUNTS.iter().map(|account| account.id.parse());
        let ids = ids.collect::<Result<_, _>>().map_err(io::Error::other)?;
        let answers = ACCOUNTS.iter().map(|each| Ok(Answers::at(each.place()?, each.appid)));
        let answers = answers.collect::<io::Result<_>>()?;
        // A ticket is asked for until it ends and no sooner given anew: for a moment there is none.
        let names: Vec<_> = ACCOUNTS.iter().filter(|each| each.parent.is_none()).collect();
        let names: Vec<_> = names.iter().map(|each| each.id).collect();
        let shop = match &redis {
            Some(_) => Shop::Redis(&url),
            None => Shop::Directory(&shared),
        };
        let readers = Readers::start(usize::from(options.readers), shop, &names, &issuer).await?;
        let crew = Crew::start(usize::from(options.workers), directory, group)?;
        let scene = scene(options, &crew);
        Ok((Self { readers, crew, store, ids, answers, issuer, _redis: redis }, scene))
    }

    /// Looks at everything.
    pub(super) async fn observe(&mut self, scene: &mut Scene) -> Result<(), StoreError> {
        for at in 0..scene.workers.len() {
            let pid = self.crew.pid(at);
            scene.runs(at, pid, self.crew.holder(at));
        }
        while let Some(worker) = self.crew.ended() {
            scene.died(worker);
        }
        let (now, glances) = self.store.look(&self.ids).await?;
        scene.now = now;
        for (at, glance) in glances.iter().enumerate() {
            let number = self.number(at, scene, glance).await?;
            scene.saw(at, glance, number);
            let answers = &mut self.answers[at];
            answers.count(&self.issuer);
            scene.credentials[at].calls = match ACCOUNTS[at].parent {
                None => {
                    let overlaps = self.issuer.summary(Some(ACCOUNTS[at].appid)).overlaps;
                    Calls { made: answers.all, looks: 0, overlaps }
                }
                // The account's overlaps are counted once.
                Some(_) => {
                    Calls { made: answers.new, looks: answers.all - answers.new, overlaps: 0 }
                }
            };
        }
        scene.read(self.readers.reads());
        Ok(())
    }

    /// The issuer's number for the token that is published: the tokens of killed callers count.
    async fn number(&self, at: usize, scene: &Scene, glance: &Glance) -> Result<usize, StoreError> {
        let known = scene.credentials[at].published;
        let epoch = glance.record.as_ref().map(|record| record.epoch());
        if let Some(known) = known.filter(|known| Some(known.epoch) == epoch) {
            return Ok(known.number);
        }
        let Some(token) = self.store.token(&self.ids[at]).await? else {
            return Ok(known.map_or(0, |known| known.number));
        };
        let account = &ACCOUNTS[at];
        let place = account.place().ok();
        let mut issued = self.issuer.tokens(Some(account.appid));
        issued.retain(|issued| Some(issued.endpoint) == place);
        let place = issued.iter().rposition(|issued| issued.value.as_str() == token.expose());
        Ok(place.map_or(0, |place| place + 1))
    }

    /// Kills a worker if it is time to, and starts again those that have been down long enough.
    pub(super) async fn disturb(
        &mut self,
        scene: &mut Scene,
        faults: &mut Faults,
        now: Instant,
    ) -> Result<(), CommandError> {
        if let Some(worker) = faults.victim(scene, now) {
            self.crew.kill(worker);
            faults.killed(worker, now);
            tokio::time::sleep(SETTLED).await;
            // The dead change nothing: an attempt of its that is open now was under way.
            let holder = scene.workers[worker].holder.clone();
            let is_open = |glance: &Glance| {
                let record = glance.record.as_ref();
                record.is_some_and(|record| {
                    record.open_attempt().is_some() && record.holder == holder
                })
            };
            let (_, glances) = self.store.look(&self.ids).await?;
            let open: Vec<bool> = glances.iter().map(is_open).collect();
            scene.killed(worker, &open);
        }
        if let Some(worker) = faults.restart_due(now) {
            let started = self.crew.restart(worker);
            started.map_err(|error| {
                CommandError::Unavailable(format!("a worker cannot be started again: {error}"))
            })?;
            scene.tell(EventKind::Work, format!("worker {} was started again", worker + 1));
        }
        Ok(())
    }
}
