//! Foreign refreshes: when tokens that die early tell of another system, and what to say of it.
//!
//! A second system that fetches tokens of the same account, a test machine or a colleague's script,
//! is the commonest accident among users: each of its calls kills the published token. Pure.

/// From so many early deaths a day on, they are no accident. One may be a secret that was reset or
/// an application with another account's token; a second refresh may not have cured that.
const MANY: u64 = 3;

/// So many early deaths of the issuer's day tell of another system.
pub(crate) fn is_no_accident(deaths: u64) -> bool {
    MANY <= deaths
}

/// What to tell an operator of a token that has died before its end, as the `deaths`-th of its
/// credential since the issuer's day began.
#[must_use]
pub fn death(credential: &str, deaths: u64) -> String {
    advice(credential, deaths).unwrap_or_else(|| {
        format!(
            "a token of {credential} died before its end, and was replaced: was the AppSecret \
             reset, or does another system refresh the same account?"
        )
    })
}

/// What to tell an operator of a credential whose tokens died early so many times since the
/// issuer's day began, if it is worth telling.
#[must_use]
pub fn advice(credential: &str, deaths: u64) -> Option<String> {
    is_no_accident(deaths).then(|| {
        format!(
            "tokens of {credential} die early, {deaths} times today: another system probably \
             refreshes the same account. Find it (a test machine, a colleague's script, an SDK that \
             fetches its own token) and let it read evertoken's store, or give it another account; \
             or set endpoint = \"stable_token\" here, whose tokens calls of the legacy endpoint do \
             not touch. If it cannot be found, reset the AppSecret and give the new one to \
             evertoken alone"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_third_death_of_a_day_on_it_is_said_what_to_do() {
        assert_eq!(advice("shop", 2), None);
        assert!(death("shop", 2).starts_with("a token of shop died before its end"));
        let said = advice("shop", 3).expect("an advice");
        assert!(said.contains("shop die early, 3 times today: another system probably"), "{said}");
        assert_eq!(death("shop", 3), said);
    }
}
