//! One thing to keep fresh: its settings, from file to use.

use std::{fmt, time::Duration};

use evertoken_client::CredentialId;
use evertoken_rules::{
    TokenCopy,
    policy::{Issuance, default_quiet_period},
};

use crate::{
    Copied, Fields, Item, KINDS, Kind, Provider, Transport, Way, copies, fingerprint::fingerprint,
};

/// Minutes are of use with real tokens, and 288 calls a day at five of them. The bound leaves room
/// for a simulator in which two hours take seconds.
const SHORTEST_VERIFY_EVERY: Duration = Duration::from_secs(1);

/// The shortest `refresh_before`.
const SHORTEST_REFRESH_BEFORE: Duration = Duration::from_millis(100);

/// One thing to keep fresh.
pub struct Credential {
    /// The user's name for it.
    pub id: CredentialId,
    /// Who speaks to its issuer.
    pub provider: Box<dyn Provider>,
    /// How long before its end a token is due, if the user wants another time than the policy's.
    pub refresh_before: Option<Duration>,
    /// How long nobody calls the issuer after an attempt without result.
    pub quiet_period: Duration,
    /// Calls to the issuer a day.
    pub daily_quota: u64,
    /// How often the published token is probed at the issuer, if at all.
    pub verify_every: Option<Duration>,
    /// Which copies are wanted, as it was written. They are known once the account is.
    pub also_write: Vec<Item>,
    /// What is written beside each token, for other SDKs.
    pub copies: Box<[Copied]>,
}

// === impl Credential ===

impl Credential {
    /// What `provider` says of itself, with no wish of the user's.
    #[must_use]
    pub fn new(id: CredentialId, provider: Box<dyn Provider>) -> Self {
        Self {
            id,
            refresh_before: None,
            quiet_period: default_quiet_period(provider.issuance()),
            daily_quota: provider.daily_quota(),
            verify_every: None,
            also_write: Vec::new(),
            copies: Box::default(),
            provider,
        }
    }

    /// Reads the settings of a credential, those that all kinds share and those of its kind; `None`
    /// if any that it needs is missing or wrong.
    pub fn read(id: CredentialId, fields: &mut dyn Fields, transport: &Transport) -> Option<Self> {
        Self::read_among(KINDS, id, fields, transport)
    }

    /// The same with other kinds than those that are built in, the default first.
    pub fn read_among(
        kinds: &[Kind],
        id: CredentialId,
        fields: &mut dyn Fields,
        transport: &Transport,
    ) -> Option<Self> {
        let kind = fields.parsed("provider", |text| kind(kinds, text));
        let read = kind.or(kinds.first()).map(|kind| kind.read)?;
        let transport = transport.by(Way::read(fields));
        let provider = read(fields, &transport);
        let refresh_before = fields.duration("refresh_before", SHORTEST_REFRESH_BEFORE);
        let quiet_period = fields.duration("quiet_period", Duration::ZERO);
        let daily_quota = fields.positive("daily_quota");
        let verify_every = fields.duration("verify_every", SHORTEST_VERIFY_EVERY);
        let has_probe = provider.as_ref().is_none_or(|provider| provider.has_probe());
        if verify_every.is_some() && !has_probe {
            fields.wrong("verify_every", "its issuer has no cheap call by which it could be tried");
        }
        let also_write = fields.items("also_write").unwrap_or_default();
        let plain = Self::new(id, provider?);
        Some(Self {
            refresh_before,
            quiet_period: quiet_period.unwrap_or(plain.quiet_period),
            daily_quota: daily_quota.unwrap_or(plain.daily_quota),
            verify_every,
            also_write,
            ..plain
        })
    }

    /// What is wanted of copies becomes known: to be called once the account is. What is wrong with
    /// them, in sentences.
    pub fn find_copies(&mut self) -> Vec<String> {
        let (copies, wrong) = copies::find(&self.id, &*self.provider, &self.also_write);
        self.copies = copies.into();
        self.also_write = Vec::new();
        wrong
    }

    /// Those copies as a store keeps them.
    #[must_use]
    pub fn token_copies(&self) -> Vec<TokenCopy> {
        self.copies.iter().map(|copied| copied.copy.clone()).collect()
    }

    /// A fingerprint of the account, whatever its secret and wherever its issuer is reached: a short
    /// hash, as [`Provider::settings_fingerprint`].
    #[must_use]
    pub fn account_fingerprint(&self) -> String {
        account_fingerprint(&*self.provider)
    }

    /// The same of the account and of the endpoint that gives its tokens: what the issuer closes.
    #[must_use]
    pub fn endpoint_fingerprint(&self) -> String {
        let account = self.provider.account();
        fingerprint([self.provider.kind(), account.name, account.token].into_iter())
    }

    /// Whether a repeated call retires the token of the one before.
    #[must_use]
    pub fn issues_anew(&self) -> bool {
        self.provider.issuance() == Issuance::Anew
    }

    /// Whether no call ends the life of a token that was given before.
    #[must_use]
    pub fn overlaps(&self) -> bool {
        self.provider.issuance() == Issuance::Overlaps
    }
}

/// A fingerprint of the account that a provider asks for.
pub(crate) fn account_fingerprint(provider: &dyn Provider) -> String {
    fingerprint([provider.kind(), provider.account().name].into_iter())
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.id, self.provider)
    }
}

fn kind<'a>(kinds: &'a [Kind], text: &str) -> Result<&'a Kind, String> {
    kinds.iter().find(|kind| kind.name == text).ok_or_else(|| {
        let names: Vec<_> = kinds.iter().map(|kind| kind.name).collect();
        format!("{text:?} is not a provider of this version; it has: {}", names.join(", "))
    })
}
