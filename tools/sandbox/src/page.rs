//! The page: phones, a timeline and controls. The files of `page/` are compiled into the binary.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    http::{
        HeaderName, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
    routing::get,
};

use crate::state::Sandbox;

/// Only the page's own scripts run. Images, videos and sounds of messages are loaded from the URLs in the messages.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data: http: https:; \
                      media-src 'self' blob: http: https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = include_str!("../page/index.html");

/// The name and the text of a file in `page/`.
macro_rules! asset {
    ($name:literal) => {
        ($name, include_str!(concat!("../page/", $name)))
    };
}

const ASSETS: [(&str, &str); 33] = [
    asset!("account.js"),
    asset!("api.js"),
    asset!("bar.js"),
    asset!("bubble.js"),
    asset!("bubbles.css"),
    asset!("codes.js"),
    asset!("compose.css"),
    asset!("compose.js"),
    asset!("controls.css"),
    asset!("dom.js"),
    asset!("empty.js"),
    asset!("entry.js"),
    asset!("faults.js"),
    asset!("filter.js"),
    asset!("follow.js"),
    asset!("format.js"),
    asset!("frame.css"),
    asset!("icon.svg"),
    asset!("links.js"),
    asset!("main.js"),
    asset!("panels.js"),
    asset!("phone.js"),
    asset!("phones.css"),
    asset!("phones.js"),
    asset!("rules.js"),
    asset!("status.js"),
    asset!("store.js"),
    asset!("stream.js"),
    asset!("style.css"),
    asset!("switches.js"),
    asset!("theme.js"),
    asset!("timeline.css"),
    asset!("timeline.js"),
];

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/", get(async || file("index.html", HTML)))
        .route("/assets/{file}", get(async |Path(name): Path<String>| asset(&name)))
}

fn asset(name: &str) -> Response {
    ASSETS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or_else(|| StatusCode::NOT_FOUND.into_response(), |(name, text)| file(name, text))
}

/// A file that the browser revalidates each time, so that after an update it does not mix old and new files.
fn file(name: &str, text: &'static str) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, content_type(name)),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text).into_response()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "image/svg+xml",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file names in a text that stand between a prefix and a quotation mark.
    fn named_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next())
    }

    #[test]
    fn every_file_that_the_page_uses_is_served() {
        let of_page = named_after(HTML, "\"/assets/");
        let of_modules = ASSETS.iter().flat_map(|(_, text)| named_after(text, " from \"./"));
        let mut used: Vec<_> = of_page.chain(of_modules).collect();
        for name in &used {
            assert_eq!(asset(name).status(), StatusCode::OK, "{name}");
        }
        used.sort_unstable();
        used.dedup();
        let unused: Vec<_> = ASSETS.iter().filter(|(name, _)| !used.contains(name)).collect();
        assert!(unused.is_empty(), "not used by the page: {unused:?}");
    }

    #[test]
    fn other_files_are_not_served() {
        for name in ["", "index.html", "../page.rs", "tests/format.test.js", "package.json"] {
            assert_eq!(asset(name).status(), StatusCode::NOT_FOUND, "{name}");
        }
    }

    #[test]
    fn scripts_never_parse_text_as_html() {
        for (name, text) in ASSETS {
            for forbidden in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "http://cdn", "https://cdn"]
            {
                assert!(!text.contains(forbidden), "{name}: {forbidden}");
            }
        }
    }
}
