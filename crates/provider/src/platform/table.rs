//! Every platform of the table, each with the section of the documents that it is from.

mod dingtalk;
mod douyin;
mod feishu;
mod kuaishou;
mod qq_bot;
mod wechat_ticket;
mod wecom;

use std::time::Duration;

use evertoken_rules::policy::Issuance;

pub(crate) use self::{
    dingtalk::{DINGTALK, DINGTALK_TICKET},
    douyin::DOUYIN,
    feishu::{FEISHU, FEISHU_TICKET},
    kuaishou::KUAISHOU,
    qq_bot::QQ_BOT,
    wechat_ticket::WECHAT_TICKET,
    wecom::{WECOM, WECOM_TICKET},
};

/// Two hours, which most platforms give, and the overlap of five minutes that some do.
const TWO_HOURS: Duration = Duration::from_secs(7_200 + 300);

/// How a token is asked for that its issuer repeats as long as it lives: shortly before its end, and
/// then now and then until there is another one.
const UNTIL_ITS_END: Issuance = Issuance::Repeats { window: Duration::from_secs(300) };

/// What is told of a request that should never have been sent.
const MALFORMED: &str = "the request was malformed, which is a defect of evertoken or of something \
                         between: please report it";
