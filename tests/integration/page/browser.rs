//! A real browser, as a person has it: chromium, told what to do by its driver.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use evertoken_testkit::{CAP, redis::free_port, wait_for};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};
use tokio::time::sleep;

/// What a browser is started with. It has no rights to take away: it may run as root, in a container.
const ARGUMENTS: [&str; 5] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
];

/// Between two looks: each one is work for the browser.
const PAUSE: Duration = Duration::from_millis(50);

/// A browser with one page. It is ended when dropped, and its driver with it.
pub(super) struct Browser {
    pub(super) driver: WebDriver,
    _process: Driver,
}

struct Driver {
    process: Child,
    port: u16,
}

// === impl Driver ===

impl Drop for Driver {
    fn drop(&mut self) {
        // It ends its browser before it answers. Killed, it would leave it behind.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
            let _ = stream.read(&mut [0; 64]);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

// === impl Browser ===

impl Browser {
    /// A browser with the page at `address`, 1400 pixels wide and light.
    pub(super) async fn open(address: &str) -> Self {
        let port = free_port();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed: make test sees to it");
        let process = Driver { process, port };
        let server = format!("http://127.0.0.1:{port}");
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in ARGUMENTS {
            capabilities.add_arg(argument).expect("an argument");
        }
        let driver = wait_for("the browser is there", || async {
            WebDriver::new(&server, capabilities.clone()).await.ok()
        })
        .await;
        // Its own end would block a test that has failed.
        driver.clone().leak().expect("it has not ended");
        let browser = Self { driver, _process: process };
        browser.look(1400, 900, "light").await;
        browser.driver.goto(address).await.expect("the page is there");
        browser
    }

    /// The size of its window, and the scheme of its colours.
    pub(super) async fn look(&self, width: u32, height: u32, scheme: &str) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tell("Emulation.setDeviceMetricsOverride", size).await;
        // Nothing is seen in the middle of a movement.
        let still = json!({ "name": "prefers-reduced-motion", "value": "reduce" });
        let scheme = json!({ "name": "prefers-color-scheme", "value": scheme });
        let scheme = json!({ "features": [scheme, still] });
        self.tell("Emulation.setEmulatedMedia", scheme).await;
    }

    async fn tell(&self, method: &str, parameters: Value) {
        self.driver.cdp().send_raw(method, parameters).await.expect(method);
    }

    /// What a script returns in the page; a promise is waited for.
    pub(super) async fn ask<T: DeserializeOwned>(&self, script: &str) -> T {
        let answer = self.driver.execute(script, Vec::new()).await.expect(script);
        answer.convert().expect(script)
    }

    /// Waits until this script returns true.
    pub(super) async fn sees(&self, what: &str, script: &str) {
        let started = evertoken::clock::now();
        while !self.ask::<bool>(script).await {
            assert!(started.elapsed() < CAP, "waited {CAP:?} in vain for: {what}");
            sleep(PAUSE).await;
        }
    }

    /// The text of an element, as a person reads it; empty if there is none, or if it is hidden.
    pub(super) async fn text(&self, selector: &str) -> String {
        let found = format!("document.querySelector({})", json!(selector));
        self.ask(&format!("return {found}?.checkVisibility() ? {found}.innerText : ''")).await
    }

    /// Waits until an element has these texts.
    pub(super) async fn shows(&self, selector: &str, parts: &[&str]) {
        let started = evertoken::clock::now();
        loop {
            let text = self.text(selector).await;
            if parts.iter().all(|part| text.contains(part)) {
                return;
            }
            assert!(started.elapsed() < CAP, "{selector} does not show {parts:?}, but: {text}");
            sleep(PAUSE).await;
        }
    }
}
