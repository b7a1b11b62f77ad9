//! What the door exposes, to whom, and what is wrong with its files.

use futures_util::future::join_all;

use super::Finding;
use crate::{
    config::{DoorClient, Settings},
    credential::Chain,
    door::{look_at_certificate, usable_key},
};

/// What is found; nothing if there is no door.
pub(super) async fn findings(settings: &Settings) -> Vec<Finding> {
    let Some(door) = &settings.door else { return Vec::new() };
    let mut findings = vec![if let Some(listen) = door.in_clear() {
        let text = format!(
            "the door at {listen} gives tokens over a network in clear, and everything on the way can \
             read them and the clients' keys: set door.tls_cert_file and door.tls_key_file, or let it \
             listen on 127.0.0.1"
        );
        Finding::danger("door.in_clear", text)
    } else {
        Finding::good(
            "door.listen",
            format!("the door at {} gives tokens to clients with a key", door.listen),
        )
    }];
    if let Some((certificate, key)) = &door.tls
        && let Err(error) = look_at_certificate(certificate, key).await
    {
        findings.push(
            Finding::bad("door.failed", Chain(&error).to_string()).about("door.tls_cert_file"),
        );
    }
    for client in &door.clients {
        findings.push(of_client(client).await.about(&client.name));
    }
    findings
}

async fn of_client(client: &DoorClient) -> Finding {
    let keys = join_all(client.keys.iter().map(usable_key)).await;
    if let Some(why) = keys.into_iter().find_map(Result::err) {
        return Finding::bad("door.key_unusable", why);
    }
    let seen: Vec<&str> = client.credentials.iter().map(|id| id.as_str()).collect();
    let forward = &client.forward;
    let passed = match forward.is_some() {
        true if forward.injects => {
            format!("; calls of {forward} are passed on, and the token is put in")
        }
        true => format!("; calls of {forward} are passed on"),
        false => String::new(),
    };
    let seen = seen.join(", ");
    Finding::good("door.client", format!("this client of the door may have {seen}{passed}"))
}
