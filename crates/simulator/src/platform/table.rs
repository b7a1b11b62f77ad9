//! The rows, each as its platform's documents describe it.

mod dingtalk;
mod douyin;
mod feishu;
mod kuaishou;
mod qq;
mod wechat;

use super::Row;

/// Every place.
pub(super) static ROWS: &[&Row] = &[
    &wechat::JSAPI,
    &wechat::CARD,
    &wechat::SDK,
    &wechat::WECOM,
    &wechat::WECOM_CORP,
    &wechat::WECOM_AGENT,
    &feishu::TENANT,
    &feishu::APP,
    &feishu::CREDENTIALS,
    &feishu::TICKET,
    &dingtalk::NEW,
    &dingtalk::OLD,
    &dingtalk::TICKET,
    &kuaishou::PROGRAM,
    &kuaishou::GAME,
    &qq::BOT,
    &douyin::CLIENT,
    &douyin::STABLE_CLIENT,
    &douyin::APP,
    &douyin::GAME,
    &douyin::STABLE_GAME,
];

/// No document tells of a limit for a day.
const NO_LIMIT: u64 = u64::MAX;
