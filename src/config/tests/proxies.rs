//! The way to issuers, as the configuration names it.

use super::{mistakes, read};

#[test]
fn what_is_wrong_with_a_proxy_is_told_by_its_place_and_shows_no_password() {
    let shop = "[credentials.shop]\nappid = \"wx0123456789abcdef\"\nsecret = \"a\"\n";
    let told = |proxy: &str| {
        let text = format!("[worker]\n{proxy}\n{shop}");
        let told = mistakes(&text, &[]).join("\n");
        assert!(!told.contains("hidden"), "{told}");
        told
    };
    for (proxy, place, words) in [
        ("proxy = \"10.0.0.9:3128\"", 2, "worker.proxy: it must be a URL as http://10.0.0.9:3128"),
        ("proxy = \"ftp://10.0.0.9\"", 2, "worker.proxy: it must be a URL"),
        ("proxy = \"http://10.0.0.9/way\"", 2, "worker.proxy: it must be a URL"),
        (
            "proxy = \"http://me:hidden@10.0.0.9:3128\"",
            2,
            "worker.proxy: user and password do not belong into the URL: give proxy_user",
        ),
        ("proxy_user = \"me\"", 2, "worker.proxy_user: there is no proxy that it is for"),
        (
            "proxy = \"http://10.0.0.9:3128\"\nproxy_password = \"hidden\"",
            3,
            "worker.proxy_password: there is no proxy_user that it belongs to",
        ),
    ] {
        let told = told(proxy);
        assert!(told.contains(&format!("evertoken.toml:{place}: {words}")), "{told}");
    }
    for good in
        ["http://10.0.0.9:3128", "https://proxy.corp", "socks5://h:1080", "socks5h://h", "off"]
    {
        let text = format!("[worker]\nproxy = \"{good}\"\n{shop}proxy = \"off\"\n");
        read(&text, &[]).expect("good settings");
    }
}
