//! Workers with a door each, and one address before them, as where a service or a load balancer has it.

use std::time::Duration;

use evertoken_simulator::Settings;
use evertoken_testkit::{
    fleet::{Fleet, PATIENT, SHORT},
    proxy::Proxy,
    redis::free_port,
};

use super::{Application, Program, use_all};
use crate::tls::certificates;

/// The key of the client `web`, which may have `shop`. An SDK has it in the place of the secret.
pub(super) const WEB: &str = "key-of-web-0123456789";

/// How long an SDK keeps a token, at the most.
const KEPT: Duration = Duration::from_secs(8);

/// Three workers, of which each has a door, and the address of all.
pub(super) struct Doors {
    pub(super) fleet: Fleet,
    configurations: Vec<String>,
    balancer: Proxy,
    scheme: &'static str,
}

/// Tokens for an SDK that asks for the next one when `margin` is left, at least [`KEPT`]: at WeChat two
/// tokens are alive, so that none may be kept through two refreshes. As at `stable_token`, each lives to its
/// end; here a call gives another one at any time.
fn lives(margin: Duration) -> Settings {
    let lifetime_ms = (margin + KEPT).as_millis() as u64;
    Settings {
        lifetime_ms,
        overlap_ms: lifetime_ms,
        window_ms: lifetime_ms,
        latency_ms: 30,
        ..Settings::default()
    }
}

// === impl Doors ===

impl Doors {
    pub(super) async fn open(margin: Duration) -> Self {
        Self::with(margin, "http", "").await
    }

    /// The same, which speak TLS. Their authority is in `ca.pem`.
    pub(super) async fn with_tls(margin: Duration) -> Self {
        let tls = "tls_cert_file = \"cert.pem\"\ntls_key_file = \"key.pem\"\n";
        Self::with(margin, "https", tls).await
    }

    async fn with(margin: Duration, scheme: &'static str, tls: &str) -> Self {
        let mut fleet = Fleet::new(lives(margin)).await;
        certificates(fleet.path());
        fleet.secrets.push(WEB.to_owned());
        let text = fleet.configuration("stable_token", "").replace(SHORT, PATIENT);
        let ports = [free_port(), free_port(), free_port()];
        let configurations = ports.map(|port| {
            let door = format!("[door]\nlisten = \"127.0.0.1:{port}\"\n{tls}");
            let client =
                format!("[door.clients.web]\nkeys = [\"{WEB}\"]\ncredentials = [\"shop\"]\n");
            fleet.write(&format!("evertoken-{port}.toml"), &[&*text, &*door, &*client].concat())
        });
        for configuration in &configurations {
            fleet.start(configuration);
        }
        fleet.published().await;
        fleet.all_told("door.listening").await;
        let mode = if tls.is_empty() { "http" } else { "tcp" };
        let balancer = Proxy::balancer(fleet.path(), &ports, mode).await;
        Self { fleet, configurations: configurations.to_vec(), balancer, scheme }
    }

    pub(super) fn authority(&self) -> String {
        self.fleet.path().join("ca.pem").display().to_string()
    }

    /// An application that has a key of the door, and no secret, uses every token: no call of it fails, and
    /// nobody but evertoken asks the issuer.
    pub(super) async fn serve(mut self, sdk: &Program) {
        let url = format!("{}://127.0.0.1:{}", self.scheme, self.balancer.port());
        let mut application = Application::start(&self.fleet, sdk, &url);
        use_all(&mut self.fleet, &self.configurations, &mut application).await;
        application.end().await;
        let summary = self.fleet.summary();
        assert_eq!((summary.wrong_secrets, summary.refused), (0, 0), "no SDK asks the issuer");
        let workers = &self.fleet.workers;
        let ours: usize = workers.iter().map(|worker| worker.told("refresh.published")).sum();
        // Of a worker that was killed in a call, nothing is told.
        assert!(summary.calls <= ours as u64 + 3, "{} calls, {ours} published", summary.calls);
        self.fleet.end().await;
    }
}
