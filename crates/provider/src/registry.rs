//! The kinds of issuers that are built in.

use crate::{
    Fields, Provider, Transport, github, oauth2,
    platform::{self, table},
    wechat,
};

/// Every kind, the default first. To add one: its module or its row, and its line here.
pub const KINDS: &[Kind] = &[
    Kind { name: wechat::KIND, read: wechat::WeChat::read },
    Kind {
        name: "wechat-ticket",
        read: |fields, way| platform::read(&table::WECHAT_TICKET, fields, way),
    },
    Kind { name: "wecom", read: |fields, way| platform::read(&table::WECOM, fields, way) },
    Kind {
        name: "wecom-ticket",
        read: |fields, way| platform::read(&table::WECOM_TICKET, fields, way),
    },
    Kind { name: "feishu", read: |fields, way| platform::read(&table::FEISHU, fields, way) },
    Kind {
        name: "feishu-ticket",
        read: |fields, way| platform::read(&table::FEISHU_TICKET, fields, way),
    },
    Kind { name: "dingtalk", read: |fields, way| platform::read(&table::DINGTALK, fields, way) },
    Kind {
        name: "dingtalk-ticket",
        read: |fields, way| platform::read(&table::DINGTALK_TICKET, fields, way),
    },
    Kind { name: "kuaishou", read: |fields, way| platform::read(&table::KUAISHOU, fields, way) },
    Kind { name: "douyin", read: |fields, way| platform::read(&table::DOUYIN, fields, way) },
    Kind { name: "qq-bot", read: |fields, way| platform::read(&table::QQ_BOT, fields, way) },
    Kind { name: oauth2::KIND, read: oauth2::OAuth2::read },
    Kind { name: oauth2::KIND_JWT, read: oauth2::OAuth2::read_jwt },
    Kind { name: github::KIND, read: github::GitHubApp::read },
];

/// A kind of issuer.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// As the configuration spells it.
    pub name: &'static str,
    /// Reads the settings that are its own; `None` if any is missing or wrong.
    pub read: fn(&mut dyn Fields, &Transport) -> Option<Box<dyn Provider>>,
}
