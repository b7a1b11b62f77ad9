//! The bench: a running simulator, and a client to call it with.
//! It asserts nothing.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use evertoken_simulator::{Fault, FaultKind, Settings, Simulator};
use reqwest::{Client, Response};
use serde_json::{Value, json};

pub(crate) const APPID: &str = "wxdemo1";
pub(crate) const SECRET: &str = "secret-of-wxdemo1";
pub(crate) const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));

/// A running simulator and a client that follows no redirects and has patience.
pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) client: Client,
}

impl Bench {
    pub(crate) async fn start(settings: Settings) -> Self {
        let simulator = Simulator::start(([127, 0, 0, 1], 0).into(), settings).await.unwrap();
        // An error says that one is set already, by another test.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .build()
            .unwrap();
        Self { simulator, client }
    }

    pub(crate) async fn send_token(&self, base_url: &str) -> reqwest::Result<Response> {
        let query = format!("grant_type=client_credential&appid={APPID}&secret={SECRET}");
        self.client.get(format!("{base_url}/cgi-bin/token?{query}")).send().await
    }

    pub(crate) async fn token(&self) -> Value {
        json_of(self.send_token(&self.simulator.base_url()).await.unwrap()).await
    }

    pub(crate) async fn token_from(&self, caller: IpAddr) -> Value {
        json_of(self.send_token(&self.simulator.base_url_from(caller)).await.unwrap()).await
    }

    pub(crate) async fn stable(&self, body: Value) -> Value {
        let url = format!("{}/cgi-bin/stable_token", self.simulator.base_url());
        json_of(self.client.post(url).body(body.to_string()).send().await.unwrap()).await
    }

    /// What comes back from a path.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.simulator.base_url());
        json_of(self.client.get(url).send().await.unwrap()).await
    }

    /// The same for a body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.simulator.base_url());
        let request = self.client.post(url).header("content-type", "application/json");
        json_of(request.body(body.to_string()).send().await.unwrap()).await
    }

    pub(crate) async fn business(&self, token: &str) -> Value {
        let base = self.simulator.base_url();
        let url = format!("{base}/cgi-bin/get_api_domain_ip?access_token={token}");
        json_of(self.client.get(url).send().await.unwrap()).await
    }

    pub(crate) async fn control(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Value,
    ) -> (u16, Value) {
        let url = format!("{}/_control/{path}", self.simulator.base_url());
        let request = self.client.request(method, url).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.unwrap();
        (response.status().as_u16(), json_of(response).await)
    }

    pub(crate) async fn order(&self, path: &str, body: Value) -> (u16, Value) {
        self.control(reqwest::Method::POST, path, body).await
    }

    pub(crate) async fn ask(&self, path: &str) -> Value {
        self.control(reqwest::Method::GET, path, Value::Null).await.1
    }

    /// Queues one fault and makes one call that meets it.
    pub(crate) async fn meet(&self, kind: FaultKind) -> reqwest::Result<Response> {
        self.simulator.fault(Fault::new(kind)).unwrap();
        self.send_token(&self.simulator.base_url()).await
    }

    /// The number of tokens issued so far, faults or not.
    pub(crate) fn issued(&self) -> u64 {
        self.simulator.summary(Some(APPID)).issued
    }
}

pub(crate) async fn json_of(response: Response) -> Value {
    let bytes = response.bytes().await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

pub(crate) fn stable_body(force_refresh: bool) -> Value {
    json!({"grant_type": "client_credential", "appid": APPID, "secret": SECRET,
           "force_refresh": force_refresh})
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
