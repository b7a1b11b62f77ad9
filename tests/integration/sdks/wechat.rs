//! SDKs of WeChat that are given the door's address for the token endpoint alone, and a key of the door as
//! their secret.

use std::time::Duration;

use super::{Program, door::Doors, fetched, in_folder};

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wechatpy_1_8_uses_the_door() {
    let Some(folder) = fetched("wechatpy") else { return };
    let doors = Doors::open(Duration::from_secs(60)).await;
    doors.serve(&Program::python(&folder, "wechatpy_at_the_door.py")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wechatpy_2_uses_the_door() {
    let Some(folder) = fetched("wechatpy-2") else { return };
    let doors = Doors::open(Duration::from_secs(60)).await;
    doors.serve(&Program::python(&folder, "wechatpy_at_the_door.py")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn node_easywechat_uses_the_door() {
    let Some(folder) = fetched("node-easywechat") else { return };
    let doors = Doors::open(Duration::from_secs(10)).await;
    doors.serve(&Program::node(&folder, "node-easywechat-at-the-door.js")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn silenceper_uses_the_door_for_stable_tokens() {
    let Some(folder) = fetched("silenceper") else { return };
    let doors = Doors::open(Duration::from_secs(300)).await;
    doors.serve(&Program::new(&[&in_folder(&folder, "silenceper"), "door"])).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wxjava_for_mini_programs_uses_the_door() {
    let Some(folder) = fetched("wxjava") else { return };
    let doors = Doors::open(Duration::from_secs(200)).await;
    doors.serve(&Program::java(&folder, "MaAtTheDoor")).await;
}

#[tokio::test]
#[ignore = "needs what make sdks fetches"]
async fn wxjava_for_channels_uses_the_door() {
    let Some(folder) = fetched("wxjava") else { return };
    let doors = Doors::open(Duration::from_secs(200)).await;
    doors.serve(&Program::java(&folder, "ChannelAtTheDoor")).await;
}
