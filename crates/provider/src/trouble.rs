//! What has gone wrong with a refresh, under one stable name: the same in logs, metrics, `status`, the
//! page and the documents.

/// What has gone wrong. Each is explained in `docs/findings.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The issuer does not take the secret.
    SecretRefused,
    /// The secret cannot be read here, or cannot be one.
    SecretUnreadable,
    /// The issuer does not know the account.
    AccountUnknown,
    /// The issuer has frozen the account or its secret.
    AccountFrozen,
    /// The account may not have such tokens.
    AccountNotPermitted,
    /// The issuer does not take calls from this worker's address.
    AddressRefused,
    /// The calls of the issuer's day are used up.
    QuotaUsedUp,
    /// There were too many calls in a short time.
    RateLimited,
    /// The issuer says that it is busy.
    IssuerBusy,
    /// No connection to the issuer could be made.
    IssuerUnreachable,
    /// No way to the issuer could be made by the proxy.
    ProxyUnreachable,
    /// The proxy has refused.
    ProxyRefused,
    /// TLS with the issuer failed.
    IssuerTls,
    /// The issuer did not answer in time.
    IssuerSlow,
    /// The connection broke, or the answer makes no sense: nobody knows what the issuer did.
    IssuerUnclear,
    /// The issuer refused for a reason that its documents do not tell.
    IssuerRefused,
    /// The request was not understood, or could not be formed.
    RequestMalformed,
    /// The token was over before it could be published.
    TokenExpired,
    /// The token of another credential, which the call was made with, is dead.
    InputDead,
}

// === impl Trouble ===

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::SecretRefused,
        Self::SecretUnreadable,
        Self::AccountUnknown,
        Self::AccountFrozen,
        Self::AccountNotPermitted,
        Self::AddressRefused,
        Self::QuotaUsedUp,
        Self::RateLimited,
        Self::IssuerBusy,
        Self::IssuerUnreachable,
        Self::ProxyUnreachable,
        Self::ProxyRefused,
        Self::IssuerTls,
        Self::IssuerSlow,
        Self::IssuerUnclear,
        Self::IssuerRefused,
        Self::RequestMalformed,
        Self::TokenExpired,
        Self::InputDead,
    ];

    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SecretRefused => "secret.refused",
            Self::SecretUnreadable => "secret.unreadable",
            Self::AccountUnknown => "account.unknown",
            Self::AccountFrozen => "account.frozen",
            Self::AccountNotPermitted => "account.not_permitted",
            Self::AddressRefused => "address.refused",
            Self::QuotaUsedUp => "quota.used_up",
            Self::RateLimited => "issuer.rate_limited",
            Self::IssuerBusy => "issuer.busy",
            Self::IssuerUnreachable => "issuer.unreachable",
            Self::ProxyUnreachable => "proxy.unreachable",
            Self::ProxyRefused => "proxy.refused",
            Self::IssuerTls => "issuer.tls",
            Self::IssuerSlow => "issuer.slow",
            Self::IssuerUnclear => "issuer.unclear",
            Self::IssuerRefused => "issuer.refused",
            Self::RequestMalformed => "request.malformed",
            Self::TokenExpired => "token.expired",
            Self::InputDead => "refresh.input_dead",
        }
    }
}
