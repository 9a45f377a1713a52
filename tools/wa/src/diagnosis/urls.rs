//! Variants of a URL: those that Twilio may have signed instead.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use twilio_types::base_url::BaseUrl;

use super::Variant;
use crate::stack::{INBOUND_PATH, STATUS_PATH};

/// Characters that frameworks encode in a query although they need not.
const QUERY: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'+').add(b':').add(b'/').add(b'@');
/// Ports of development servers.
const PORTS: [&str; 8] = ["80", "443", "8080", "8443", "3000", "5000", "8000", "8090"];
/// Stages that gateways put before the path.
const STAGES: [&str; 5] = ["prod", "Prod", "dev", "staging", "default"];
/// The paths of the two webhooks.
const PATHS: [&str; 2] = [INBOUND_PATH, STATUS_PATH];

const SET_AT_TWILIO: &str = "set the webhook at Twilio and PublicBaseUrl to the same URL, to the letter";

/// A URL that is split without any change: a parser would normalize what the signature covers.
#[derive(Clone)]
struct SplitUrl {
    scheme: String,
    user_info: String,
    host: String,
    port: String,
    path: String,
    /// `?...`, or nothing.
    query: String,
}

impl SplitUrl {
    fn of(url: &str) -> Option<Self> {
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let (scheme, after) = url.split_once("://")?;
        let (authority, rest) = after.split_at(after.find(['/', '?']).unwrap_or(after.len()));
        let (user_info, host_port) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let is_port = |(_, port): &(&str, &str)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let (host, port) = host_port.rsplit_once(':').filter(is_port).unwrap_or((host_port, ""));
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let [scheme, user_info, host, port, path, query] =
            [scheme, user_info, host, port, path, query].map(str::to_owned);
        Some(Self { scheme, user_info, host, port, path, query })
    }

    fn join(&self) -> String {
        let Self { scheme, user_info, host, port, path, query } = self;
        let colon = if port.is_empty() { "" } else { ":" };
        format!("{scheme}://{user_info}{host}{colon}{port}{path}{query}")
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut changed = self.clone();
        change(&mut changed);
        changed.join()
    }
}

/// The likeliest first.
pub(super) fn variants(url: &str, base_urls: &[BaseUrl]) -> Vec<Variant<String>> {
    let Some(parts) = SplitUrl::of(url) else { return Vec::new() };
    let mut variants = schemes(&parts);
    variants.extend(slashes(&parts));
    variants.extend(bases(&parts, base_urls));
    variants.extend(hosts(&parts));
    variants.extend(queries(&parts));
    variants.extend(paths(&parts));
    variants.extend(ports(&parts));
    variants.retain(|variant| variant.value != url);
    variants
}

fn schemes(parts: &SplitUrl) -> Vec<Variant<String>> {
    let other = if parts.scheme.eq_ignore_ascii_case("https") { "http" } else { "https" };
    let finding = format!("{other}, not {}", parts.scheme);
    let fix = format!(
        "check with the URL that Twilio calls, not the one behind the proxy: PublicBaseUrl begins with {other}://, or change the URL at Twilio"
    );
    vec![Variant::new(parts.with(|parts| other.clone_into(&mut parts.scheme)), finding, fix)]
}

fn slashes(parts: &SplitUrl) -> Vec<Variant<String>> {
    let (path, finding, fix) = match parts.path.strip_suffix('/') {
        Some(bare) => (
            bare.to_owned(),
            "without the slash at the end",
            "remove the slash at the end where the URL is checked, or add it at Twilio",
        ),
        None => (
            format!("{}/", parts.path),
            "with a slash at the end",
            "remove the slash at the end of the URL that is set at Twilio",
        ),
    };
    vec![Variant::new(parts.with(|parts| parts.path = path), finding, fix)]
}

/// The stack's own base URLs, with the given path or with that of a webhook.
fn bases(parts: &SplitUrl, base_urls: &[BaseUrl]) -> Vec<Variant<String>> {
    let of_base = |base: &BaseUrl| {
        let paths = [parts.path.as_str()].into_iter().chain(PATHS);
        let paths: Vec<_> = paths.flat_map(|path| [format!("{path}{}", parts.query), path.to_owned()]).collect();
        let variant = |path: String| Variant::new(base.join(&path), "the stack's own URL", SET_AT_TWILIO);
        paths.into_iter().map(variant).collect::<Vec<_>>()
    };
    base_urls.iter().flat_map(of_base).collect()
}

fn hosts(parts: &SplitUrl) -> Vec<Variant<String>> {
    let to = |host: String, finding: &str| Variant::new(parts.with(|parts| parts.host = host), finding, SET_AT_TWILIO);
    let www = match parts.host.strip_prefix("www.") {
        Some(bare) => to(bare.to_owned(), "the host without www."),
        None => to(format!("www.{}", parts.host), "the host with www. before it"),
    };
    let small = to(parts.host.to_lowercase(), "the host in small letters");
    let without_user = parts.with(|parts| parts.user_info.clear());
    let dot = to(format!("{}.", parts.host), "the host with a dot at the end");
    vec![small, www, dot, Variant::new(without_user, "without the user and password", SET_AT_TWILIO)]
}

fn queries(parts: &SplitUrl) -> Vec<Variant<String>> {
    let Some(query) = parts.query.strip_prefix('?') else { return Vec::new() };
    let to = |query: String, finding: &str, fix: &str| {
        Variant::new(
            parts.with(|parts| parts.query = if query.is_empty() { query } else { format!("?{query}") }),
            finding,
            fix,
        )
    };
    let as_sent = "check with the query as it came, neither decoded nor encoded again";
    let mut variants = vec![to(String::new(), "without the query", "remove the query, which was added on the way")];
    let pairs: Vec<&str> = query.split('&').collect();
    for (index, pair) in pairs.iter().enumerate() {
        let others: Vec<_> =
            pairs.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, pair)| *pair).collect();
        let finding = format!("without {} in the query", pair.split('=').next().unwrap_or_default());
        variants.push(to(others.join("&"), &finding, "remove the parameter of the query, which was added on the way"));
    }
    // The verification itself tries the sorted query.
    let reversed: Vec<_> = pairs.iter().rev().copied().collect();
    variants.push(to(reversed.join("&"), "the query in another order", "leave the query in its order"));
    let decoded = percent_decode_str(query).decode_utf8_lossy().into_owned();
    for (other, finding) in [
        (query.replace("%20", "+"), "a space in the query as +, not %20"),
        (query.replace('+', "%20"), "a space in the query as %20, not +"),
        (query.replace('+', "%2B"), "a plus in the query as %2B"),
        (query.replace("%2B", "+"), "a plus in the query as it is, not %2B"),
        (query.replace(' ', "%20"), "a space in the query as %20"),
        (query.replace(' ', "+"), "a space in the query as +"),
        (decoded.clone(), "the query decoded"),
        (utf8_percent_encode(query, QUERY).to_string(), "the query encoded, and it was not"),
        (uppercased_escapes(query), "the query's escapes in capitals, as %2B"),
        (reencoded(query), "the query encoded otherwise"),
    ] {
        variants.push(to(other, finding, as_sent));
    }
    variants
}

fn reencoded(query: &str) -> String {
    let pairs = form_urlencoded::parse(query.as_bytes());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn uppercased_escapes(query: &str) -> String {
    let mut shown = String::with_capacity(query.len());
    let mut left = 0;
    for c in query.chars() {
        shown.push(if left > 0 { c.to_ascii_uppercase() } else { c });
        left = if c == '%' { 2 } else { usize::saturating_sub(left, 1) };
    }
    shown
}

fn paths(parts: &SplitUrl) -> Vec<Variant<String>> {
    let to =
        |path: String, finding: String, fix: &str| Variant::new(parts.with(|parts| parts.path = path), finding, fix);
    let prefix = "make PublicBaseUrl end with the same path that the gateway removed or put before it";
    let mut variants = vec![
        to(parts.path.to_lowercase(), "the path in small letters".to_owned(), SET_AT_TWILIO),
        to(collapsed(&parts.path), "one slash where there are two".to_owned(), SET_AT_TWILIO),
        to(
            format!("/{}", parts.path),
            "two slashes before the path".to_owned(),
            "remove the slash at the end of the base URL at Twilio",
        ),
        to(
            percent_decode_str(&parts.path).decode_utf8_lossy().into_owned(),
            "the path decoded".to_owned(),
            SET_AT_TWILIO,
        ),
    ];
    if let Some((first, rest)) = parts.path.strip_prefix('/').and_then(|path| path.split_once('/')) {
        variants.push(to(format!("/{rest}"), format!("without /{first} before the path"), prefix));
    }
    variants.extend(
        STAGES.map(|stage| to(format!("/{stage}{}", parts.path), format!("with /{stage} before the path"), prefix)),
    );
    let swapped = PATHS.into_iter().filter(|path| parts.path != *path);
    variants.extend(
        swapped.map(|path| to(path.to_owned(), format!("the other webhook, {path}"), "check it as what it is")),
    );
    variants
}

fn collapsed(path: &str) -> String {
    let mut collapsed = path.to_owned();
    while collapsed.contains("//") {
        collapsed = collapsed.replace("//", "/");
    }
    collapsed
}

/// The verification itself tries the default port of the scheme.
fn ports(parts: &SplitUrl) -> Vec<Variant<String>> {
    let to = |port: &str| {
        let finding = format!("with the port {port}");
        Variant::new(
            parts.with(|parts| port.clone_into(&mut parts.port)),
            finding,
            "name the port in PublicBaseUrl as in the URL at Twilio",
        )
    };
    PORTS.iter().map(|port| to(port)).collect()
}
