//! Lark's SDKs, whose caches read Redis.

use std::time::Duration;

use evertoken_testkit::fleet::{Fleet, SHORT, issuer_settings};

use super::{Application, Program, calls_at, fetched, replace_worker, tokens};

/// Feishu gives the same token again for most of its life, so these live for seconds.
const LIFE: Duration = Duration::from_secs(12);

/// An application without the right secret uses every token of `shop`, and never asks Feishu for one.
async fn uses_every_token(also_write: &str, sdk: &Program) {
    let mut fleet = Fleet::new(issuer_settings(LIFE)).await;
    fleet.secrets.push("secret-of-cli1".to_owned());
    let text = format!(
        "[store]\nurl = \"{}\"\n[worker]\n{SHORT}\n[admin]\nlisten = \"off\"\n[credentials.shop]\n\
         provider = \"feishu\"\napp_id = \"cli1\"\napp_secret = \"secret-of-cli1\"\nbase_url = \"{}\"\n\
         refresh_before = \"3s\"\nalso_write = [{also_write}]\n",
        fleet.redis.url(),
        fleet.issuer.base_url(),
    );
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.start_many(3, &configuration);
    fleet.published().await;
    let mut application = Application::start(&fleet, sdk, &fleet.redis.port().to_string());
    for count in 1..=tokens() {
        application.use_tokens(count).await;
        replace_worker(&mut fleet, std::slice::from_ref(&configuration), count);
    }
    application.end().await;
    let told = |event| fleet.workers.iter().map(|worker| worker.told(event)).sum::<usize>();
    let ours = told("refresh.published") + told("refresh.repeated");
    let fetches = calls_at(&fleet, "feishu_tenant");
    // Of the worker that makes a call now, nothing is told yet.
    assert!(fetches <= ours + 1, "{fetches} fetches, of which {ours} are evertoken's");
    fleet.end().await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn lark_oapi_reads_a_copy() {
    let Some(folder) = fetched("lark-python") else { return };
    uses_every_token("\"lark-python\"", &Program::python(&folder, "with_lark.py")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn larks_node_sdk_reads_the_token_itself() {
    let Some(folder) = fetched("lark-node") else { return };
    uses_every_token("", &Program::node(&folder, "with-lark.js")).await;
}
