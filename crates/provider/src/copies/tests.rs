//! Layouts and keys of one's own, as they are asked for.

use evertoken_rules::TokenCopy;

use super::{table::LAYOUTS, *};
use crate::{KINDS, Secret, SecretSource, Transport, wechat};

fn wechat() -> wechat::WeChat {
    let secret = SecretSource::Value(Secret::new("s"));
    let settings = wechat::Settings::new("wx1", secret, wechat::Endpoint::StableToken);
    let transport = Transport::new(std::time::Duration::from_secs(1));
    wechat::WeChat::new(settings.expect("an account"), transport)
}

fn found(items: &[Item]) -> (Vec<Copied>, Vec<String>) {
    find(&"shop".parse().expect("an id"), &wechat(), items)
}

fn text(layout: &str) -> Item {
    Item::Text(layout.to_owned())
}

fn table(settings: &[(&str, &str)]) -> Item {
    let text = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    Item::Table(settings.iter().map(text).collect())
}

/// The keys that one item asks for.
fn keys(item: Item) -> Vec<String> {
    let (copies, wrong) = found(&[item]);
    assert!(wrong.is_empty(), "{wrong:?}");
    copies.into_iter().map(|Copied { copy: TokenCopy { key, .. }, .. }| key).collect()
}

fn wrong(item: Item) -> String {
    let (copies, wrong) = found(&[item]);
    assert!(copies.is_empty());
    wrong.into_iter().next().expect("a mistake")
}

#[test]
fn each_layout_names_its_keys_as_its_sdk_does() {
    for (item, expected) in [
        (text("wxjava-mp"), &["wx:access_token:wx1"][..]),
        (text("wxjava-ma"), &["wa:access_token:wx1"]),
        (text("wxjava-channel"), &["wh:access_token:wx1"]),
        (
            table(&[("layout", "wxjava-mp"), ("prefix", "wx:mp:multi")]),
            &["wx:mp:multi:access_token:wx1"],
        ),
        (text("silenceper-officialaccount"), &["gowechat_officialaccount__access_token_wx1"]),
        (
            text("silenceper-officialaccount-stable"),
            &["gowechat_officialaccount__stable_access_token_wx1"],
        ),
        (text("silenceper-miniprogram"), &["gowechat_miniprogram__access_token_wx1"]),
        (text("wechatpy"), &["wechatpy:wx1_access_token"]),
        (
            text("wechatpy-2"),
            &["wechatpy:wx1_access_token", "wechatpy:wx1_access_token_expires_at"],
        ),
        (table(&[("layout", "wechatpy"), ("prefix", "")]), &[":wx1_access_token"]),
        (
            table(&[("layout", "easywechat-symfony"), ("prefix", "ns"), ("key", "wx-token")]),
            &["ns:wx-token"],
        ),
        (
            table(&[("layout", "easywechat-laravel"), ("prefix", "a_b:"), ("key", "{appid}")]),
            &["a_b:wx1"],
        ),
        (table(&[("layout", "powerwechat"), ("key", "pw.{appid}")]), &["pw.wx1"]),
        (table(&[("key", "x:{appid}:{id}:{{shop}}")]), &["x:wx1:shop:{shop}"]),
    ] {
        assert_eq!(keys(item), expected);
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    for (item, reason) in [
        (text("wechatpi"), "is not a layout; there are: wxjava-mp"),
        (text("wxjava"), "wxjava-ma"),
        (text("senparc"), "pass the token"),
        (text("lark-python"), "keeps no token of a wechat; it does for: feishu"),
        (text("wxjava-cp"), "it does for: wecom, wecom-ticket"),
        (text("easywechat-symfony"), "holds the secret: choose a key"),
        (text("powerwechat"), "holds a hash of the secret: choose a key"),
        (table(&[("layout", "wxjava-mp"), ("key", "x")]), "leave key out"),
        (table(&[("layout", "wxjava-mp"), ("value", "raw")]), "leave value out"),
        (table(&[("layout", "silenceper-miniprogram"), ("prefix", "x")]), "takes no prefix"),
        (table(&[("layout", "wechatpy"), ("ns", "x")]), "ns is not known"),
        (table(&[("key", "t:{secret}")]), "names the secret"),
        (
            table(&[("key", "t:{corpid}")]),
            "{corpid}, which stands for nothing here; there are: {appid}",
        ),
        (table(&[("key", "t"), ("value", "no place")]), "is the same for every token"),
        (table(&[("value", "raw")]), "the name of a layout"),
        (table(&[("key", "")]), "1 to 512 bytes"),
        (table(&[("key", "x"), ("prefix", "y")]), "in front of the key"),
    ] {
        let why = wrong(item);
        assert!(why.contains(reason), "{why}");
    }
    let nine: Vec<Item> = (0..9).map(|at| table(&[("key", &format!("k{at}"))])).collect();
    assert!(found(&nine).1[0].contains("asks for 9 keys"));
}

#[test]
fn every_layout_is_of_kinds_that_there_are_and_can_be_read() {
    let mut names: Vec<_> = LAYOUTS.iter().map(|layout| layout.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), LAYOUTS.len(), "each has a name of its own");
    for layout in LAYOUTS {
        assert!(!layout.setting.is_empty() && !layout.rows.is_empty(), "{}", layout.name);
        for row in layout.rows {
            assert!(
                KINDS.iter().any(|kind| kind.name == row.kind),
                "{}: {}",
                layout.name,
                row.kind
            );
            assert_eq!(row.takes_key(), row.keys.iter().all(|(key, _)| key.contains("{key}")));
            assert!(!row.takes_key() || !layout.why_key.is_empty(), "{}", layout.name);
            for (_, value) in row.keys {
                Template::read(value, |name| Err(name.to_owned())).expect("only places of ours");
            }
        }
    }
}
