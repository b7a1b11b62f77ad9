//! Each layout, as its SDK reads it: which keys, which bytes, and what has to be set there.
//!
//! What was read by a real SDK is said in `docs/sdks.md`, and run by `make sdks`.

use super::layout::{Layout, Row};

const RAW: &str = "{token}";
const JSON: &str = "{token_json}";
/// A text as PHP serializes it; the length is in bytes.
const PHP: &str = "s:{token_bytes}:\"{token}\";";
const SECONDS: &str = "{expires_at}";

/// A layout without anything that only a few have.
const PLAIN: Layout =
    Layout { name: "", prefix: None, join: ":", why_key: "", setting: "", rows: &[], not_for: &[] };

type Keys = &'static [(&'static str, &'static str)];

const fn row(kind: &'static str, of: &'static str, keys: Keys) -> Row {
    Row { kind, of, keys, setting: None }
}

/// Names that are easily written, and are no layouts: what to do instead.
pub(super) const NONE: &[(&str, &str)] = &[
    ("wxjava", "name the part of it: wxjava-mp, wxjava-ma, wxjava-channel or wxjava-cp"),
    (
        "wxjava-redisson",
        "the bytes are those of Redisson's codec: give it a StringCodec, or use WxJava's RedisTemplate \
         storage, and name wxjava-mp or wxjava-cp",
    ),
    (
        "silenceper",
        "name the part of it: silenceper-officialaccount, silenceper-officialaccount-stable, \
         silenceper-miniprogram or silenceper-work",
    ),
    ("easywechat", "name the cache that it is given: easywechat-symfony or easywechat-laravel"),
    (
        "senparc",
        "it empties its bag when an account is registered: pass the token to its API calls in place of \
         the AppId",
    ),
];

/// Every layout.
pub(super) const LAYOUTS: &[Layout] = &[
    Layout {
        name: "wxjava-mp",
        prefix: Some("wx"),
        setting: "WxMpRedisConfigImpl with a RedisTemplate or Jedis and the prefix \"{given}\" reads it",
        rows: &[
            row("wechat", "", &[("{given}:access_token:{appid}", RAW)]),
            row("wechat-ticket", "jsapi", &[("{given}:ticket:key:{appid}:jsapi", RAW)]),
            row("wechat-ticket", "wx_card", &[("{given}:ticket:key:{appid}:wx_card", RAW)]),
            row("wechat-ticket", "sdk", &[("{given}:ticket:key:{appid}:2", RAW)]),
        ],
        ..PLAIN
    },
    Layout {
        name: "wxjava-ma",
        prefix: Some("wa"),
        setting: "WxMaRedisBetterConfigImpl with the prefix \"{given}\" reads it",
        rows: &[
            row("wechat", "", &[("{given}:access_token:{appid}", RAW)]),
            row("wechat-ticket", "jsapi", &[("{given}:ticket:key:{appid}:jsapi", RAW)]),
        ],
        ..PLAIN
    },
    Layout {
        name: "wxjava-channel",
        prefix: Some("wh"),
        setting: "WxChannelRedisConfigImpl with the prefix \"{given}\" reads it",
        rows: &[row("wechat", "", &[("{given}:access_token:{appid}", RAW)])],
        ..PLAIN
    },
    Layout {
        name: "wxjava-cp",
        prefix: Some("wx:cp"),
        setting: "WxCpRedisTemplateConfigImpl or WxCpJedisConfigImpl with the prefix \"{given}\" reads it: \
                  set corpId first, then agentId",
        rows: &[
            row("wecom", "", &[("{prefix}wechat_cp_access_token_key:{corpid}:{agentid}", RAW)]),
            row(
                "wecom-ticket",
                "corp",
                &[("{prefix}wechat_cp_jsapi_ticket_key:{corpid}:{agentid}", RAW)],
            ),
            row(
                "wecom-ticket",
                "agent_config",
                &[("{prefix}wechat_cp_agent_jsapi_ticket_key:{corpid}:{agentid}", RAW)],
            ),
        ],
        ..PLAIN
    },
    Layout {
        name: "silenceper-officialaccount",
        setting: "cache.NewRedis on this Redis and database reads it",
        rows: &[
            row("wechat", "", &[("gowechat_officialaccount__access_token_{appid}", RAW)]),
            row(
                "wechat-ticket",
                "jsapi",
                &[("gowechat_officialaccount__jsapi_ticket_{appid}", RAW)],
            ),
        ],
        ..PLAIN
    },
    Layout {
        name: "silenceper-officialaccount-stable",
        setting: "cache.NewRedis on this Redis and database reads it, with UseStableAK",
        rows: &[row(
            "wechat",
            "",
            &[("gowechat_officialaccount__stable_access_token_{appid}", RAW)],
        )],
        ..PLAIN
    },
    Layout {
        name: "silenceper-miniprogram",
        setting: "cache.NewRedis on this Redis and database reads it",
        rows: &[row("wechat", "", &[("gowechat_miniprogram__access_token_{appid}", RAW)])],
        ..PLAIN
    },
    Layout {
        name: "silenceper-work",
        setting: "cache.NewRedis on this Redis and database reads it, from v2.1.8 on with AgentID set",
        rows: &[
            row("wecom", "", &[("gowechat_work__access_token_{corpid}_{agentid}", RAW)]),
            row("wecom-ticket", "corp", &[("gowechat_work__corp_jsapi_ticket_{corpid}", RAW)]),
            row(
                "wecom-ticket",
                "agent_config",
                &[("gowechat_work__agent_jsapi_ticket_{corpid}_{agentid}", RAW)],
            ),
        ],
        ..PLAIN
    },
    Layout {
        name: "silenceper-work-corp",
        setting: "cache.NewRedis on this Redis and database reads it before v2.1.8, or without AgentID",
        rows: &[row("wecom", "", &[("gowechat_work__access_token_{corpid}", RAW)])],
        ..PLAIN
    },
    Layout {
        name: "powerwechat",
        why_key: "the key that it makes holds a hash of the secret",
        setting: "its AccessToken's SetCacheKey(\"{key}\") reads it",
        rows: &[
            row(
                "wechat",
                "",
                &[("{key}", "{\"access_token\":{token_json},\"expires_in\":{expires_in}}")],
            ),
            row(
                "wecom",
                "",
                &[("{key}", "{\"access_token\":{token_json},\"expires_in\":{expires_in}}")],
            ),
            Row {
                setting: Some("its JSSDK client reads it from the same cache"),
                ..row(
                    "wechat-ticket",
                    "",
                    &[(
                        "powerwechat.basic_service.jssdk.ticket.{ticket}.{appid}",
                        "{\"ticket\":{token_json},\"expires_in\":{expires_in}}",
                    )],
                )
            },
        ],
        ..PLAIN
    },
    Layout {
        name: "easywechat-symfony",
        prefix: Some(""),
        why_key: "the key that EasyWeChat makes holds the secret",
        setting: "$app->setAccessToken(new AccessToken(…, key: '{key}')) with a RedisAdapter of the \
                  namespace '{given}' reads it; its keys have none of {}()/\\@:",
        rows: EASYWECHAT,
        ..PLAIN
    },
    Layout {
        name: "easywechat-laravel",
        prefix: Some(""),
        join: "",
        why_key: "the key that EasyWeChat makes holds the secret",
        setting: "$app->setAccessToken(new AccessToken(…, key: '{key}')) with Laravel's cache reads it, \
                  where Redis's prefix and the cache's are together '{given}'",
        rows: EASYWECHAT,
        ..PLAIN
    },
    Layout {
        name: "wechatpy",
        prefix: Some("wechatpy"),
        setting: "wechatpy 1.8's RedisStorage(redis, prefix=\"{given}\") reads it: WeChatClient(…, \
                  auto_retry=False), started once a token stands",
        rows: &[row("wechat", "", &[("{given}:{appid}_access_token", JSON)]), WECHATPY_TICKET],
        not_for: WECHATPY_NOT,
        ..PLAIN
    },
    Layout {
        name: "wechatpy-2",
        prefix: Some("wechatpy"),
        setting: "wechatpy 2's RedisStorage(redis, prefix=\"{given}\") reads it: WeChatClient(…, \
                  auto_retry=False)",
        rows: &[
            row(
                "wechat",
                "",
                &[
                    ("{given}:{appid}_access_token", JSON),
                    ("{given}:{appid}_access_token_expires_at", SECONDS),
                ],
            ),
            WECHATPY_TICKET,
        ],
        not_for: WECHATPY_NOT,
        ..PLAIN
    },
    Layout {
        name: "co-wechat-api",
        why_key: "it has no key of its own",
        setting: "new API(appid, secret, getToken, saveToken, true), whose getToken parses what GET {key} \
                  answers, reads it",
        rows: &[
            row(
                "wechat",
                "",
                &[("{key}", "{\"accessToken\":{token_json},\"expireTime\":{expires_at_ms}}")],
            ),
            Row {
                setting: Some(
                    "api.registerTicketHandle(getTicketToken, saveTicketToken), whose getTicketToken \
                     parses what GET {key} answers, reads it",
                ),
                ..row(
                    "wechat-ticket",
                    "",
                    &[("{key}", "{\"ticket\":{token_json},\"expireTime\":{expires_at_ms}}")],
                )
            },
        ],
        ..PLAIN
    },
    Layout {
        name: "node-easywechat",
        prefix: Some(""),
        join: "",
        why_key: "the key that it makes holds the secret",
        setting: "app.getAccessToken().setKey('{key}') with a cache whose get puts '{given}' before the \
                  key and parses JSON reads it",
        rows: &[
            row("wechat", "", &[("{prefix}{key}", JSON)]),
            Row {
                setting: Some(
                    "a cache whose get puts '{given}' before the key and parses JSON reads it",
                ),
                ..row(
                    "wechat-ticket",
                    "jsapi",
                    &[("{prefix}official_account.jsapi_ticket.{appid}", JSON)],
                )
            },
        ],
        ..PLAIN
    },
    Layout {
        name: "lark-python",
        prefix: Some(""),
        join: "",
        setting: "lark_oapi's TokenManager.cache, whose get(key) answers what GET '{given}' + key does, \
                  reads it",
        rows: &[
            row("feishu", "tenant", &[("{prefix}self_tenant_token:{app_id}", RAW)]),
            row("feishu", "app", &[("{prefix}self_app_token:{app_id}", RAW)]),
        ],
        ..PLAIN
    },
];

const EASYWECHAT: &[Row] = &[
    row("wechat", "", &[("{prefix}{key}", PHP)]),
    row("wecom", "", &[("{prefix}{key}", PHP)]),
    Row {
        setting: Some(
            "the cache that the application is given reads it, with the prefix '{given}'",
        ),
        ..row("wechat-ticket", "jsapi", &[("{prefix}official_account.jsapi_ticket.{appid}", PHP)])
    },
    Row {
        setting: Some(
            "the cache that the application is given reads it, with the prefix '{given}'",
        ),
        ..row("wecom-ticket", "corp", &[("{prefix}work.jsapi_ticket.{corpid}", PHP)])
    },
    Row {
        setting: Some(
            "the cache that the application is given reads it, with the prefix '{given}'",
        ),
        ..row(
            "wecom-ticket",
            "agent_config",
            &[("{prefix}work.jsapi_ticket.{corpid}.{agentid}", PHP)],
        )
    },
];

const WECHATPY_TICKET: Row = row(
    "wechat-ticket",
    "jsapi",
    &[("{given}:{appid}_jsapi_ticket", JSON), ("{given}:{appid}_jsapi_ticket_expires_at", SECONDS)],
);

const WECHATPY_NOT: &[(&str, &str)] = &[(
    "wecom",
    "its key for WeCom holds ten characters of the secret: give WeChatClient a session of your own, \
     whose get reads a key that you choose, and write that one: { key = \"…\", value = \"json-string\" }",
)];
