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

const ASSETS: [(&str, &str); 74] = [
    asset!("accepted.js"),
    asset!("account.js"),
    asset!("api.js"),
    asset!("attachments.js"),
    asset!("bar.js"),
    asset!("bodies.js"),
    asset!("bubble.js"),
    asset!("bubbles.css"),
    asset!("business.css"),
    asset!("business.js"),
    asset!("card-form.js"),
    asset!("causes.js"),
    asset!("chats.css"),
    asset!("chats.js"),
    asset!("choices.js"),
    asset!("code-box.js"),
    asset!("codes.js"),
    asset!("compose.css"),
    asset!("compose.js"),
    asset!("controls.css"),
    asset!("cures.js"),
    asset!("curl.js"),
    asset!("days.js"),
    asset!("details.css"),
    asset!("details.js"),
    asset!("dom.js"),
    asset!("empty.js"),
    asset!("entry.js"),
    asset!("exchange.js"),
    asset!("facts.js"),
    asset!("faults.js"),
    asset!("filter.js"),
    asset!("follow.js"),
    asset!("format.js"),
    asset!("formatting.js"),
    asset!("frame.css"),
    asset!("group.js"),
    asset!("icon.svg"),
    asset!("ids.js"),
    asset!("keys.js"),
    asset!("links.js"),
    asset!("main.js"),
    asset!("media.css"),
    asset!("media.js"),
    asset!("messages.js"),
    asset!("notification.js"),
    asset!("older.js"),
    asset!("panels.js"),
    asset!("permalink.js"),
    asset!("phone.js"),
    asset!("phones.css"),
    asset!("phones.js"),
    asset!("place.js"),
    asset!("rich.css"),
    asset!("rich.js"),
    asset!("row.js"),
    asset!("rules.js"),
    asset!("scenarios.js"),
    asset!("share-form.js"),
    asset!("split.js"),
    asset!("status.js"),
    asset!("store.js"),
    asset!("stream.js"),
    asset!("style.css"),
    asset!("switches.js"),
    asset!("tables.js"),
    asset!("templates.js"),
    asset!("theme.js"),
    asset!("timeline-keys.js"),
    asset!("timeline.css"),
    asset!("timeline.js"),
    asset!("toolbar.js"),
    asset!("verdict.js"),
    asset!("viewer.js"),
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
    use twilio_types::media::FORMATS;

    use super::*;

    /// The file names in a text that are between a prefix and a quotation mark.
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
    fn page_accepts_the_files_that_whatsapp_accepts() {
        let (_, accepted) = ASSETS.iter().find(|(name, _)| *name == "accepted.js").unwrap();
        for format in FORMATS {
            let names = [format.extension].into_iter().chain(format.aliases.iter().copied());
            for name in names {
                let line = |quoted: &str| accepted.contains(&format!("  {quoted}: \"{}\",", format.name));
                assert!(line(name) || line(&format!("\"{name}\"")), "{name}: {}", format.name);
            }
        }
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
