//! What is behind the token of `admin.token`, if one is set.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;
use tracing::{error, info};

use crate::{
    clock,
    credential::Chain,
    provider::{Secret, SecretSource},
};

/// How long reading the token's file may take.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// What wants the token is told so.
const WANTED: &str = "this page wants the token that admin.token names: send the header \
                      Authorization: Bearer TOKEN\n";

/// What is told where nobody knows the token.
const UNREADABLE: &str = "this page is closed: the file of admin.token cannot be read; the worker's \
                          log tells why (event admin.token_unreadable)\n";

/// The token, where one is set.
#[derive(Debug)]
pub(super) struct Guard {
    token: Option<SecretSource>,
    /// It was said that it cannot be read.
    is_unreadable: AtomicBool,
}

// === impl Guard ===

impl Guard {
    pub(super) fn new(token: Option<SecretSource>) -> Self {
        Self { token, is_unreadable: AtomicBool::new(false) }
    }

    /// Whether everybody is let through.
    pub(super) fn is_open(&self) -> bool {
        self.token.is_none()
    }

    /// The token as it is now: its file may have another one. What is wrong with it is said once.
    async fn read(&self, source: &SecretSource) -> Option<Secret> {
        match source.read(clock::now() + READ_WITHIN).await {
            Ok(token) => {
                if self.is_unreadable.swap(false, Ordering::Relaxed) {
                    info!(
                        event = "admin.token_readable",
                        "the token of the admin listener can be read again"
                    );
                }
                Some(token)
            }
            Err(error) => {
                if !self.is_unreadable.swap(true, Ordering::Relaxed) {
                    error!(event = "admin.token_unreadable", error = %Chain(&error),
                        "the token of the admin listener cannot be read: what it guards is closed until \
                         it can be");
                }
                None
            }
        }
    }
}

/// Lets through who has the token.
pub(super) async fn check(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(source) = &guard.token {
        let Some(token) = guard.read(source).await else {
            return (StatusCode::SERVICE_UNAVAILABLE, UNREADABLE).into_response();
        };
        if !has(request.headers(), &token) {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"evertoken\"")];
            return (StatusCode::UNAUTHORIZED, challenge, WANTED).into_response();
        }
    }
    next.run(request).await
}

/// Whether a request carries `token`. How long the comparison takes tells nothing of where they differ.
fn has(headers: &HeaderMap, token: &Secret) -> bool {
    let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let given = given.and_then(|given| given.split_at_checked("Bearer ".len()));
    given.is_some_and(|(scheme, given)| {
        scheme.eq_ignore_ascii_case(b"Bearer ")
            && given.trim_ascii().ct_eq(token.expose().as_bytes()).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_in_a_bearer_header_opens() {
        let token = Secret::new("s3cr3t");
        let has = |given: &str| {
            let headers = [(header::AUTHORIZATION, given.parse().expect("a header"))];
            has(&headers.into_iter().collect(), &token)
        };
        assert!(has("Bearer s3cr3t") && has("bearer  s3cr3t"));
        for bad in
            ["", "Bearer", "Bearer ", "Bearer s3cr3", "Bearer s3cr3t0", "s3cr3t", "Basic s3cr3t"]
        {
            assert!(!has(bad), "{bad}");
        }
        assert!(!super::has(&HeaderMap::new(), &token));
    }
}
