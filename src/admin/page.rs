//! The page at `/`, for people: the state of the fleet, fed by `/events`. Its files are in the program and
//! need no other; they hold nothing of any fleet, so they want no token.

use axum::{
    Router,
    http::{HeaderName, header},
    routing::get,
};

/// The page may load its own files and ask its own listener, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// Where each file is, what it is, and what is in it. The files name each other without a slash in front,
/// so that all of it works behind any prefix.
const FILES: [(&str, &str, &str); 11] = [
    ("/", HTML, include_str!("page/page.html")),
    ("/page.css", STYLE, include_str!("page/page.css")),
    ("/page.js", SCRIPT, include_str!("page/page.js")),
    ("/findings.js", SCRIPT, include_str!("page/findings.js")),
    ("/fleet.js", SCRIPT, include_str!("page/fleet.js")),
    ("/stream.js", SCRIPT, include_str!("page/stream.js")),
    ("/table.js", SCRIPT, include_str!("page/table.js")),
    ("/timeline.js", SCRIPT, include_str!("page/timeline.js")),
    ("/words.js", SCRIPT, include_str!("page/words.js")),
    ("/icon.svg", PICTURE, include_str!("page/icon.svg")),
    ("/findings.md", TEXT, include_str!("../../docs/findings.md")),
];

/// A route for each file.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |routes, (path, media_type, content)| {
        routes.route(path, get(async move || (headers(media_type), content)))
    })
}

fn headers(media_type: &'static str) -> [(HeaderName, &'static str); 5] {
    [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // After an update of the worker no old file may meet a new one.
        (header::CACHE_CONTROL, "no-store"),
    ]
}
