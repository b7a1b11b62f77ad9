//! OAuth clients that are given the door's token URL, and a key of the door as their secret.

use std::time::Duration;

use super::{Program, door::Doors, fetched, in_folder};

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn authlib_uses_the_oauth_door() {
    let Some(folder) = fetched("authlib") else { return };
    let doors = Doors::with_tls(Duration::from_secs(60)).await;
    let authlib = Program::python(&folder, "with_authlib.py");
    let trusted = doors.authority();
    doors.serve(&authlib.with("REQUESTS_CA_BUNDLE", trusted)).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn openid_client_uses_the_oauth_door() {
    let Some(folder) = fetched("openid-client") else { return };
    let doors = Doors::with_tls(Duration::from_secs(10)).await;
    let openid = Program::node(&folder, "openid-client.js");
    let trusted = doors.authority();
    doors.serve(&openid.with("NODE_EXTRA_CA_CERTS", trusted)).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn gos_oauth2_uses_the_oauth_door() {
    let Some(folder) = fetched("oauth2-go") else { return };
    let doors = Doors::open(Duration::from_secs(10)).await;
    doors.serve(&Program::new(&[&in_folder(&folder, "oauth2-go")])).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn spring_security_uses_the_oauth_door() {
    let Some(folder) = fetched("spring") else { return };
    let doors = Doors::open(Duration::from_secs(60)).await;
    doors.serve(&Program::java(&folder, "Spring")).await;
}
