//! The README's pictures of the page, from a fleet that works: `make pictures`.

use std::{path::Path, time::Duration};

use evertoken_simulator::{Fault, FaultKind};
use evertoken_testkit::{
    fleet::{Fleet, issuer_settings},
    wait_for,
};
use tokio::time::sleep;

use super::{address, browser::Browser, make_due, row};
use crate::metrics::Scraper;

const NAMES: [&str; 9] = [
    "shop",
    "loyalty",
    "mini-checkout",
    "newsroom",
    "support-desk",
    "events",
    "partners",
    "training",
    "kiosk",
];

/// The wait between what happens.
const APART: Duration = Duration::from_secs(6);

/// A picture is not larger than this, so that the README stays quick.
const LARGEST: usize = 200_000;

/// The name of the account and the section of each credential.
fn configuration(fleet: &mut Fleet) -> String {
    let text = fleet.configuration_of(NAMES.len(), "token");
    // From behind, because the first name is a part of all others.
    (1..NAMES.len()).rev().fold(text, |text, number| {
        text.replace(
            &format!("[credentials.shop{number}]"),
            &format!("[credentials.{}]", NAMES[number]),
        )
    })
}

fn fail(fleet: &Fleet, name: &str, kind: FaultKind) {
    let number = NAMES.iter().position(|each| *each == name).expect("a name");
    let fault = Fault::new(kind).of_account(&super::appid(number)).times(0);
    fleet.issuer.fault(fault).expect("a fault");
}

#[tokio::test]
#[ignore = "it makes pictures and takes minutes: make pictures"]
async fn pictures_of_the_page() {
    let mut fleet = Fleet::durable(issuer_settings(Duration::from_secs(80))).await;
    let scraper = Scraper::new();
    let text = configuration(&mut fleet);
    let others = fleet.write("others.toml", &text);
    let shown = fleet.write("evertoken.toml", &scraper.listening(&text));
    fail(&fleet, "mini-checkout", FaultKind::Errcode { code: 40125, message: None });
    fleet.start_many(2, &others);
    fleet.start(&shown);
    wait_for("the tokens are there", || {
        let published = fleet.all_published();
        async move { (NAMES.len() - 1 == published.await.len()).then_some(()) }
    })
    .await;
    let browser = Browser::open(&address(&scraper)).await;
    // One after the other, so that the bars and the signs are not all in one place.
    for name in ["events", "kiosk", "shop", "support-desk", "loyalty", "shop", "kiosk"] {
        sleep(APART).await;
        make_due(&fleet, name, "epoch").await;
    }
    fail(&fleet, "newsroom", FaultKind::Errcode { code: -1, message: None });
    fail(&fleet, "partners", FaultKind::ResetAfter);
    make_due(&fleet, "newsroom", "failure").await;
    make_due(&fleet, "partners", "suspect").await;
    browser.shows(&row("newsroom"), &["failing"]).await;
    browser.shows(&row("partners"), &["suspect"]).await;
    sleep(APART).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for scheme in ["light", "dark"] {
        browser.look(1200, 1100, scheme).await;
        // It is drawn again for its new width.
        let fits = "return document.querySelector('#picture svg').clientWidth <= 1200";
        browser.sees("it is drawn", fits).await;
        let picture = browser.driver.screenshot_as_png().await.expect("a picture");
        assert!(picture.len() < LARGEST, "{scheme}: {} bytes", picture.len());
        std::fs::write(folder.join(format!("page-{scheme}.png")), picture).expect("a file");
    }
    fleet.end().await;
}
