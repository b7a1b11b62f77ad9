//! What people paste where an `AppID` or an `AppSecret` is to stand. Pure; no text is ever repeated.

use super::answer::Asked;

/// Digits of an `AppSecret`, and of an `AppID` behind its `wx`.
const SECRET_DIGITS: usize = 32;
const APPID_DIGITS: usize = 16;

/// Why this can be neither an `AppID` nor an `AppSecret`, of an account or of a sandbox, and what to
/// do about it; a sentence that lacks its subject.
pub(crate) fn impossible(text: &str) -> Option<String> {
    let any = |is: fn(char) -> bool| text.chars().any(is);
    let quote = |c: char| matches!(c, '"' | '\'' | '`' | '“' | '”' | '‘' | '’');
    let what = if any(|c| c == '\0') {
        "holds a NUL character: save it as UTF-8, not as UTF-16"
    } else if let Some(char) = text.chars().find(|c| is_invisible(*c)) {
        let code = u32::from(char);
        return Some(format!(
            "holds an invisible character (U+{code:04X}): type it, or copy it anew"
        ));
    } else if text.starts_with(quote) || text.ends_with(quote) {
        "stands in quotation marks: remove them"
    } else if any(|c| matches!(c, '\n' | '\r')) {
        "has more than one line: leave one line, with nothing else"
    } else if ["${", "$(", "{{", "<"].iter().any(|start| text.starts_with(start)) {
        "is a placeholder that nothing has filled in: put the value there"
    } else if is_name_and_value(text) {
        "looks like NAME=value: leave the value alone"
    } else if text.chars().all(|c| matches!(c, '*' | '•' | '●')) {
        "is what a console shows in place of a secret: copy the secret itself"
    } else if any(|c| matches!(c, '\u{ff01}'..='\u{ff5e}')) {
        "holds full-width characters: type it with the input method off"
    } else if any(char::is_whitespace) {
        "holds blanks: remove them"
    } else if !text.chars().all(|c| c.is_ascii_graphic()) {
        "holds characters that are neither letters nor digits of ASCII: copy it anew"
    } else {
        return None;
    };
    Some(what.to_owned())
}

/// What about this does not look like an `AppSecret`.
pub(super) fn odd_secret(secret: &str) -> Option<String> {
    let what = "an AppSecret has 32 hexadecimal digits, in lower case";
    odd(secret, SECRET_DIGITS, what)
}

/// What about this does not look like an `AppID`.
pub(super) fn odd_appid(appid: &str) -> Option<String> {
    let what = "an AppID is wx and 16 hexadecimal digits, in lower case";
    match appid.strip_prefix("wx") {
        Some(digits) => odd(digits, APPID_DIGITS, what).map(|odd| format!("behind wx, {odd}")),
        None => Some(format!("it does not begin with wx; {what}")),
    }
}

/// The same, as what follows a refusal that names the `AppSecret` or the `AppID` as wrong.
pub(super) fn hint(errcode: i64, asked: Asked<'_>) -> String {
    let odd = match errcode {
        40125 => odd_secret(asked.secret.expose()),
        40013 => odd_appid(asked.appid),
        _ => None,
    };
    odd.map(|odd| format!(" ({odd})")).unwrap_or_default()
}

fn odd(text: &str, digits: usize, what: &str) -> Option<String> {
    let length = text.chars().count();
    let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    if length != digits {
        Some(format!("it has {length} characters; {what}"))
    } else if !text.chars().all(is_digit) {
        Some(format!("it has other characters; {what}"))
    } else {
        None
    }
}

/// Zero-width characters, the soft hyphen, and marks of direction.
fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
    )
}

/// Padding of base64 is none.
fn is_name_and_value(text: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' '))
    };
    let parts = text.split_once('=');
    parts.is_some_and(|(name, value)| is_name(name) && !value.chars().all(|c| c == '='))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn what_no_secret_can_be_is_told_by_what_it_is() {
        for (pasted, told) in [
            (format!("{SECRET}\0"), "a NUL character"),
            (format!("{SECRET}\u{200b}"), "an invisible character (U+200B)"),
            (format!("\u{feff}{SECRET}"), "an invisible character (U+FEFF)"),
            (format!("\"{SECRET}\""), "in quotation marks"),
            (format!("'{SECRET}'"), "in quotation marks"),
            (format!("“{SECRET}”"), "in quotation marks"),
            (format!("WECHAT_SECRET={SECRET}"), "NAME=value"),
            (format!("secret = {SECRET}"), "NAME=value"),
            (format!("{SECRET}\n{SECRET}"), "more than one line"),
            ("${WECHAT_SECRET}".to_owned(), "a placeholder"),
            ("******".to_owned(), "what a console shows"),
            (SECRET.replace('0', "\u{ff10}"), "full-width"),
            (SECRET.replace('8', " "), "blanks"),
            (SECRET.replace('8', "é"), "neither letters nor digits"),
        ] {
            let said = impossible(&pasted).unwrap_or_else(|| panic!("{pasted:?} is let pass"));
            assert!(said.contains(told), "{pasted:?}: {said}");
            assert!(!said.contains("456789"), "{said}");
        }
    }

    #[test]
    fn a_secret_of_another_shape_is_odd_and_not_impossible() {
        assert_eq!((impossible(SECRET), odd_secret(SECRET)), (None, None));
        for (odd, told) in [
            (&SECRET[1..], "it has 31 characters; an AppSecret has 32 hexadecimal digits"),
            (&SECRET.to_uppercase(), "it has other characters"),
            ("MDEyMzQ1Njc4OWFiY2RlZg==", "it has 24 characters"),
            ("secret-of-a-sandbox", "it has 19 characters"),
        ] {
            assert_eq!(impossible(odd), None, "{odd}");
            let said = odd_secret(odd).unwrap_or_else(|| panic!("{odd} is let pass"));
            assert!(said.contains(told) && !said.contains(odd), "{odd}: {said}");
        }
        assert_eq!(odd_appid("wx0123456789abcdef"), None);
        for odd in ["gh_0123456789ab", "wx0123456789abcde", "wx0123456789ABCDEF"] {
            assert!(odd_appid(odd).is_some(), "{odd}");
        }
    }
}
