//! Copies for other SDKs, once all accounts are known: which there are, and which cannot be. Pure.

use std::collections::HashMap;

use super::{Mistake, read::Read};
use crate::{
    credential::{CredentialId, Deployment},
    store::{StoreUrl, fits_cluster},
};

/// Has each credential that asks for copies find them. `store` is where they would be kept, if that is
/// known: its URL, and the first part of our own keys.
pub(super) fn find(
    read: &mut [Read],
    store: Option<(&StoreUrl, &str)>,
    mistakes: &mut Vec<Mistake>,
) {
    let is_cluster = store.is_some_and(|(url, _)| {
        matches!(url, StoreUrl::Redis(url) if matches!(url.deployment(), Deployment::Cluster(_)))
    });
    let mut taken: HashMap<String, CredentialId> = HashMap::new();
    for Read { credential, also_write, .. } in read {
        let Some(place) = also_write else { continue };
        let id = &credential.id.clone();
        let mut wrong = credential.find_copies();
        if let Some((StoreUrl::File(_), _)) = store {
            wrong.push(
                "an SDK reads its copies from Redis, and the store is a directory: set store.url to \
                 redis://HOST:6379/0"
                    .to_owned(),
            );
        }
        for key in credential.copies.iter().map(|copied| &copied.copy.key) {
            if let Some((_, prefix)) = store
                && key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(':'))
            {
                wrong.push(format!(
                    "{key} is among evertoken's own keys, which begin with {prefix}: choose another one"
                ));
            }
            if is_cluster && !fits_cluster(key) {
                wrong.push(format!(
                    "{key} has a }} and no {{tag}} before it, so a cluster cannot keep it: choose \
                     another key"
                ));
            }
            if let Some(other) = taken.insert(key.clone(), id.clone()) {
                let of = if other == *id {
                    "this credential".to_owned()
                } else {
                    format!("credentials.{other}")
                };
                wrong.push(format!(
                    "{key} is a copy of {of}, too, and each would replace the other: choose another key \
                     or prefix"
                ));
            }
        }
        mistakes.extend(wrong.into_iter().map(|why| Mistake {
            place: place.to_string(),
            message: format!("credentials.{id}.also_write: {why}"),
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Environment, Settings};

    fn read(store: &str, text: &str) -> Result<Settings, Vec<(String, String)>> {
        let text = format!("[store]\nurl = \"{store}\"\n{text}");
        let file = Some((Path::new("c.toml"), text.as_str()));
        let settings = Settings::read(file, None, &Environment::default());
        settings.map_err(|mistakes| {
            mistakes.0.into_iter().map(|mistake| (mistake.place, mistake.message)).collect()
        })
    }

    #[test]
    fn copies_that_make_no_sense_are_refused_together_each_with_its_place() {
        let wrong = read(
            "redis://localhost",
            "[credentials.a]\nappid = \"wx1\"\nsecret = \"s\"\n\
             also_write = [\"wechatpy\", \"wechatpi\", { key = \"evertoken:x\" }, 3]\n\
             [credentials.b]\nprovider = \"feishu\"\napp_id = \"f\"\napp_secret = \"s\"\n\
             also_write = [\"wxjava-mp\", { key = \"wechatpy:wx1_access_token\" }]\n",
        )
        .expect_err("mistakes");
        let told: Vec<String> =
            wrong.iter().map(|(place, message)| format!("{place}: {message}")).collect();
        for (line, what) in [
            ("c.toml:6", "holds names of layouts"),
            ("c.toml:6", "\"wechatpi\" is not a layout"),
            ("c.toml:6", "evertoken:x is among evertoken's own keys"),
            ("c.toml:11", "wxjava-mp keeps no token of a feishu"),
            ("c.toml:11", "is a copy of credentials.a, too"),
        ] {
            let is_told = |text: &&String| text.starts_with(line) && text.contains(what);
            assert!(told.iter().any(|text| is_told(&text)), "{line} {what}: {told:#?}");
        }
        assert_eq!(told.len(), 5, "{told:#?}");
    }

    #[test]
    fn a_key_that_no_cluster_can_keep_is_refused_for_a_cluster_alone() {
        let text = "[credentials.a]\nappid = \"wx1\"\nsecret = \"s\"\n\
                    also_write = [{ key = \"a}b{\" }, { key = \"{{tag}}b}\" }]\n";
        assert!(read("redis://localhost", text).is_ok());
        let wrong = read("redis+cluster://localhost", text).expect_err("a mistake");
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].1.contains("a}b{ has a } and no {tag}"), "{wrong:?}");
    }

    #[test]
    fn a_ticket_knows_the_account_of_its_parent() {
        let settings = read(
            "redis://localhost",
            "[credentials.shop]\nappid = \"wx1\"\nsecret = \"s\"\n\
             [credentials.a-ticket]\nprovider = \"wechat-ticket\"\nparent = \"shop\"\n\
             ticket = \"sdk\"\nalso_write = \"wxjava-mp\"\n\
             [credentials.app]\nprovider = \"wecom\"\ncorpid = \"c\"\nagentid = \"7\"\nsecret = \"s\"\n\
             also_write = [\"silenceper-work\", \"wxjava-cp\", { key = \"{corpid}/{agentid}/{id}\" }]\n\
             [credentials.app-ticket]\nprovider = \"wecom-ticket\"\nparent = \"app\"\n\
             ticket = \"agent_config\"\nalso_write = [\"wxjava-cp\"]\n",
        )
        .expect("settings");
        let keys = settings.credentials.iter().flat_map(|each| each.token_copies());
        let keys: Vec<String> = keys.map(|copy| copy.key).collect();
        assert_eq!(
            keys,
            [
                "wx:ticket:key:wx1:2",
                "gowechat_work__access_token_c_7",
                "wx:cp:wechat_cp_access_token_key:c:7",
                "c/7/app",
                "wx:cp:wechat_cp_agent_jsapi_ticket_key:c:7",
            ]
        );
    }

    #[test]
    fn a_directory_keeps_no_copies() {
        let text =
            "[credentials.a]\nappid = \"wx1\"\nsecret = \"s\"\nalso_write = [\"wechatpy\"]\n";
        let wrong = read("file:./data", text).expect_err("a mistake");
        assert!(wrong[0].1.contains("the store is a directory"), "{wrong:?}");
    }
}
