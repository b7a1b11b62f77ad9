//! What schemathesis makes of `docs/door.openapi.json`, by the schema and against it, asked of a real door.

use std::{path::Path, process::Command};

use evertoken_testkit::{
    fleet::{Fleet, PATIENT, SHORT, issuer_settings},
    redis::free_port,
};

use super::{TWO_HOURS, door::WEB, fetched, in_folder, program};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs what make sdks fetches"]
async fn the_door_keeps_to_its_description_whatever_it_is_asked() {
    let Some(folder) = fetched("schemathesis") else { return };
    let mut fleet = Fleet::new(issuer_settings(TWO_HOURS)).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let text = fleet.configuration("stable_token", "").replace(SHORT, PATIENT);
    let door = format!("[door]\nlisten = \"{listen}\"\n");
    let client = format!("[door.clients.web]\nkeys = [\"{WEB}\"]\ncredentials = [\"shop\"]\n");
    let configuration = fleet.write("evertoken.toml", &[text, door, client].concat());
    fleet.secrets.push(WEB.to_owned());
    fleet.start(&configuration);
    fleet.published().await;
    fleet.told(0, "door.listening").await;
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/door.openapi.json");
    let mut schemathesis = Command::new(in_folder(&folder, "bin/st"));
    schemathesis.args(["--config-file", &program("schemathesis.toml"), "run"]);
    schemathesis.arg(document).args(["--url", &format!("http://{listen}")]);
    // Who has no key waits a second. More than one worker of it meets a fault of Python 3.11's parser.
    schemathesis.args(["--max-examples", "15", "--workers", "1", "--continue-on-failure"]);
    schemathesis.current_dir(fleet.path()).env("no_proxy", "*");
    let told = tokio::task::block_in_place(|| schemathesis.output()).expect("it is there");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
    fleet.end().await;
}
