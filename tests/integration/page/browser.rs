//! A real browser, as a person has it: chromium, told what to do by its driver.

use std::process::{Child, Command, Stdio};

use evertoken_testkit::{redis::free_port, wait_for};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::{ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

/// What a browser is started with. It has no rights to take away: it may run as root, in a container.
const ARGUMENTS: [&str; 5] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
];

/// A browser with one page. It is ended when dropped, and its driver after it.
pub(super) struct Browser {
    pub(super) driver: WebDriver,
    _process: Driver,
}

struct Driver(Child);

// === impl Driver ===

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
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
        let process = Driver(process);
        let server = format!("http://127.0.0.1:{port}");
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in ARGUMENTS {
            capabilities.add_arg(argument).expect("an argument");
        }
        let driver = wait_for("the browser is there", || async {
            WebDriver::new(&server, capabilities.clone()).await.ok()
        })
        .await;
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
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
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
        wait_for(what, || async { self.ask::<bool>(script).await.then_some(()) }).await;
    }

    /// The text of an element, as a person reads it; empty if there is none, or if it is hidden.
    pub(super) async fn text(&self, selector: &str) -> String {
        let found = format!("document.querySelector({})", json!(selector));
        self.ask(&format!("return {found}?.checkVisibility() ? {found}.innerText : ''")).await
    }

    /// Waits until an element has these texts.
    pub(super) async fn shows(&self, selector: &str, parts: &[&str]) {
        let what = format!("{selector} shows {parts:?}");
        wait_for(&what, || async {
            let text = self.text(selector).await;
            parts.iter().all(|part| text.contains(part)).then_some(())
        })
        .await;
    }

    /// Ends it.
    pub(super) async fn close(self) {
        self.driver.quit().await.expect("it ends");
    }
}
