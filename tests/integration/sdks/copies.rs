//! SDKs that read a copy of the token, where they would have put it themselves.

use evertoken_testkit::fleet::{APPID, Fleet, PATIENT, SECRET, SHORT, issuer_settings};

use super::{
    Application, Program, TWO_HOURS, calls_at, fetched, in_folder, program, replace_worker, tokens,
    use_all,
};

/// An application without the right secret uses every token of `shop` from the copy that `also_write`
/// names: no call of it fails, and it never asks the issuer.
async fn uses_every_copy(also_write: &str, sdk: &Program) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let text = fleet.configuration("token", &format!("also_write = [{also_write}]"));
    let configuration = fleet.write("evertoken.toml", &text.replace(SHORT, PATIENT));
    fleet.start_many(3, &configuration);
    fleet.published().await;
    let mut application = Application::start(&fleet, sdk, &fleet.redis.port().to_string());
    use_all(&mut fleet, &[configuration], &mut application).await;
    application.end().await;
    assert_eq!(
        fleet.summary().calls,
        tokens() as u64,
        "evertoken's, and no fetch of the SDK's own"
    );
    nothing_was_changed(&fleet);
    fleet.end().await;
}

fn nothing_was_changed(fleet: &Fleet) {
    let changed: usize = fleet.workers.iter().map(|worker| worker.told("copy.changed")).sum();
    assert_eq!(changed, 0, "no SDK has written a copy");
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wechatpy_1_8_reads_a_copy() {
    let Some(folder) = fetched("wechatpy") else { return };
    uses_every_copy("\"wechatpy\"", &Program::python(&folder, "with_wechatpy.py")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wechatpy_2_reads_a_copy() {
    let Some(folder) = fetched("wechatpy-2") else { return };
    uses_every_copy("\"wechatpy-2\"", &Program::python(&folder, "with_wechatpy.py")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn co_wechat_api_reads_a_copy() {
    let Some(folder) = fetched("co-wechat-api") else { return };
    let also_write = r#"{ layout = "co-wechat-api", key = "co:{appid}" }"#;
    uses_every_copy(also_write, &Program::node(&folder, "co-wechat-api.js")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn node_easywechat_reads_a_copy() {
    let Some(folder) = fetched("node-easywechat") else { return };
    let also_write = r#"{ layout = "node-easywechat", key = "wx-token" }"#;
    uses_every_copy(also_write, &Program::node(&folder, "node-easywechat.js")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn the_cache_of_easywechat_reads_a_copy() {
    let Some(folder) = fetched("symfony") else { return };
    let also_write = r#"{ layout = "easywechat-symfony", prefix = "ns", key = "wx-token" }"#;
    let php = Program::new(&["/usr/bin/php", &program("symfony.php")]);
    uses_every_copy(also_write, &php.with("SYMFONY", in_folder(&folder, "usr/share/php"))).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn silenceper_for_official_accounts_reads_a_copy() {
    let Some(folder) = fetched("silenceper") else { return };
    let silenceper = Program::new(&[&in_folder(&folder, "silenceper"), "officialaccount"]);
    uses_every_copy("\"silenceper-officialaccount\"", &silenceper).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn silenceper_for_stable_tokens_reads_a_copy() {
    let Some(folder) = fetched("silenceper") else { return };
    let silenceper = Program::new(&[&in_folder(&folder, "silenceper"), "stable"]);
    uses_every_copy("\"silenceper-officialaccount-stable\"", &silenceper).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn silenceper_for_mini_programs_reads_a_copy() {
    let Some(folder) = fetched("silenceper") else { return };
    let silenceper = Program::new(&[&in_folder(&folder, "silenceper"), "miniprogram"]);
    uses_every_copy("\"silenceper-miniprogram\"", &silenceper).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn silenceper_for_wecom_reads_a_copy() {
    let Some(folder) = fetched("silenceper") else { return };
    for (what, layout) in [("work", "silenceper-work"), ("work-corp", "silenceper-work-corp")] {
        let silenceper = Program::new(&[&in_folder(&folder, "silenceper"), what]);
        uses_every_copy_of_wecom(&format!("\"{layout}\""), &silenceper).await;
    }
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wxjava_for_official_accounts_reads_a_copy() {
    let Some(folder) = fetched("wxjava") else { return };
    uses_every_copy("\"wxjava-mp\"", &Program::java(&folder, "Mp")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wxjava_for_mini_programs_reads_a_copy() {
    let Some(folder) = fetched("wxjava") else { return };
    uses_every_copy("\"wxjava-ma\"", &Program::java(&folder, "Ma")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wxjava_for_channels_reads_a_copy() {
    let Some(folder) = fetched("wxjava") else { return };
    uses_every_copy("\"wxjava-channel\"", &Program::java(&folder, "Channel")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wxjava_for_wecom_reads_a_copy() {
    let Some(folder) = fetched("wxjava") else { return };
    uses_every_copy_of_wecom("\"wxjava-cp\"", &Program::java(&folder, "Cp")).await;
}

/// `WeCom` gives the same token until its end, so that there is a moment without one: the application rests
/// meanwhile.
async fn uses_every_copy_of_wecom(also_write: &str, sdk: &Program) {
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let text = fleet.configuration("token", &format!("also_write = [{also_write}]"));
    let of_wechat = format!("appid = \"{APPID}\"\nsecret = \"{SECRET}\"\nendpoint = \"token\"");
    let of_wecom =
        "provider = \"wecom\"\ncorpid = \"ww1\"\nagentid = \"7\"\nsecret = \"secret-of-ww1/7\"";
    let text = text.replace(SHORT, PATIENT).replace(&of_wechat, of_wecom);
    let configuration = fleet.write("evertoken.toml", &text);
    fleet.secrets.push("secret-of-ww1/7".to_owned());
    fleet.start_many(3, &configuration);
    fleet.published().await;
    let mut application = Application::start(&fleet, sdk, &fleet.redis.port().to_string());
    for count in 1..=tokens() {
        application.use_tokens(count).await;
        replace_worker(&mut fleet, std::slice::from_ref(&configuration), count);
        if count < tokens() {
            application.rest(count).await;
            let token = fleet.published().await;
            fleet.issuer.kill("ww1/7").expect("an account");
            fleet.make_due().await;
            fleet.published_after(&token).await;
            application.go_on();
        }
    }
    application.end().await;
    assert_eq!(calls_at(&fleet, "wecom"), tokens(), "evertoken's, and no fetch of the SDK's own");
    nothing_was_changed(&fleet);
    fleet.end().await;
}
