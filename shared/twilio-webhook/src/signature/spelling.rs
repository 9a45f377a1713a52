//! The spellings of one URL that Twilio may have signed.
//!
//! Twilio signs the URL as it is configured, and does not always request it in the same spelling: it adds or leaves out the
//! port, and escapes some characters of the query or not (`twilio-node`, issues 621, 1059 and 1079; `twilio-php`, issue 790).
//! What a validator of Twilio accepts is accepted here:
//!
//! | spelling | source |
//! |---|---|
//! | as received; with and without the port | `twilio-python` 9.13 and `twilio-node` 6.2, "signature generation on the back end is inconsistent" |
//! | the path and query as the WHATWG URL Standard writes them | `twilio-node` 6.2, `new URL(url)` |
//! | that, with the query decoded and encoded again | `twilio-node` 6.2, `withLegacyQuerystring` |
//! | without tabs, line ends, and an empty query | `twilio-python` 9.13, `urlparse(url).geturl()` |
//! | with the fragment | both; without it, as Twilio's documentation says of connection overrides |
//! | an apostrophe as it is, and as `%27` | `twilio-node`, pull request 1061 |
//! | the names of the query sorted | requests of status callbacks as in `twilio-php`, issue 790 |
//! | without user and password | Twilio, "Webhooks Security" |
//!
//! The scheme and the host remain as they are, in upper and lower case, although `twilio-node` and `twilio-python` change
//! them: they do not come with a request, but from the receiver's own configuration, and the test vectors of
//! `twilio-csharp` refuse a host in another case. `twilio-python` cuts the authority at its first colon to remove a port, and
//! so loses the host of `https://user:password@host:8443`: that spelling is nothing that Twilio signs.

use std::{borrow::Cow, collections::BTreeMap, iter};

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// No more spellings of a URL are verified, so that a stranger's request costs a bounded time.
pub(super) const MAX_SPELLINGS: usize = 28;

/// `querystring.parse` of Node.js reads no more parameters.
const MAX_QUERY_PARAMETERS: usize = 1000;

/// The special-query percent-encode set of the URL Standard.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\'');

/// The path percent-encode set of the URL Standard.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'^').add(b'`').add(b'{').add(b'}');

/// The fragment percent-encode set of the URL Standard.
const FRAGMENT: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');

/// What `querystring.stringify` of Node.js escapes.
const LEGACY_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The URL as received, and then, only if that one was not signed, its other spellings. Each comes once.
pub(super) fn spellings(url: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let received = without_fragment(url);
    let others = iter::once_with(move || other_spellings(url, received)).flatten();
    iter::once(Cow::Borrowed(received)).chain(others.map(Cow::Owned)).take(MAX_SPELLINGS)
}

/// A URL without its fragment, which holds connection overrides and is not sent (Twilio, "Webhooks: Connection overrides").
pub(super) fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(url, _)| url)
}

fn other_spellings(url: &str, received: &str) -> Vec<String> {
    let Some(parts) = UrlParts::split(received) else { return Vec::new() };
    let rest = parts.rest.to_owned();
    let apostrophes = [rest.replace('\'', "%27"), rest.replace("%27", "'")];
    let mut rests = vec![rest];
    rests.extend(apostrophes.iter().cloned());
    rests.extend(in_validators_spelling(parts.rest));
    rests.push(with_sorted_query(parts.rest));
    if let Some(whole) = UrlParts::split(url).filter(|whole| whole.rest != parts.rest) {
        rests.push(whole.rest.to_owned());
        rests.extend(in_validators_spelling(whole.rest));
    }
    let mut found = Vec::new();
    for rest in &rests {
        found.extend(parts.with_ports(parts.user_info, rest));
    }
    if !parts.user_info.is_empty() {
        for rest in iter::once(parts.rest).chain(apostrophes.iter().map(String::as_str)) {
            found.extend(parts.with_ports("", rest));
        }
    }
    let mut known: Vec<String> = Vec::new();
    for spelling in found {
        if spelling != received && !known.contains(&spelling) {
            known.push(spelling);
        }
    }
    known
}

/// A URL's path, query and fragment as the validators of Node.js (twice) and Python write them.
fn in_validators_spelling(rest: &str) -> [String; 3] {
    let standard = in_url_standard_spelling(rest);
    let legacy = with_legacy_query(&standard);
    [standard, legacy, in_python_spelling(rest)]
}

/// As the serializer of the WHATWG URL Standard writes an `https:` URL.
fn in_url_standard_spelling(rest: &str) -> String {
    let rest = rest.trim_end_matches(|c: char| c <= ' ').replace(['\t', '\n', '\r'], "");
    let (rest, fragment) = cut(&rest, '#');
    let (path, query) = cut(rest, '?');
    let mut spelled = without_dot_segments(path);
    if let Some(query) = query {
        spelled.push('?');
        spelled.extend(utf8_percent_encode(query, QUERY));
    }
    if let Some(fragment) = fragment {
        spelled.push('#');
        spelled.extend(utf8_percent_encode(fragment, FRAGMENT));
    }
    spelled
}

/// Resolves `.` and `..`, also where their dots are escaped, and escapes what a path cannot hold.
fn without_dot_segments(path: &str) -> String {
    let path = path.strip_prefix(['/', '\\']).unwrap_or(path);
    let mut segments: Vec<Cow<'_, str>> = Vec::new();
    let mut ends_with_dots = false;
    for segment in path.split(['/', '\\']) {
        let dots = segment.to_ascii_lowercase().replace("%2e", ".");
        ends_with_dots = matches!(dots.as_str(), "." | "..");
        if dots == ".." {
            segments.pop();
        } else if !ends_with_dots {
            segments.push(utf8_percent_encode(segment, PATH).into());
        }
    }
    if ends_with_dots {
        segments.push(Cow::Borrowed(""));
    }
    format!("/{}", segments.join("/"))
}

/// The query as `querystring.parse` and `querystring.stringify` of Node.js decode and encode it: all values of a name
/// together, names that are numbers first.
fn with_legacy_query(rest: &str) -> String {
    let Some((path, query)) = rest.split_once('?').filter(|(_, query)| !query.is_empty()) else {
        return rest.to_owned();
    };
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut numbers: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut names: Vec<(String, Vec<String>)> = Vec::new();
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    for pair in query.split('&').take(MAX_QUERY_PARAMETERS).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), decode(value));
        if let Some(number) = array_index(&name) {
            numbers.entry(number).or_default().push(value);
            continue;
        }
        let position = *positions.entry(name.clone()).or_insert(names.len());
        match names.get_mut(position) {
            Some((_, values)) => values.push(value),
            None => names.push((name, vec![value])),
        }
    }
    let numbers = numbers.into_iter().map(|(number, values)| (number.to_string(), values));
    let encode = |text: &str| utf8_percent_encode(text, LEGACY_QUERY).to_string();
    let pairs = numbers.chain(names).flat_map(|(name, values)| {
        let name = encode(&name);
        values.into_iter().map(move |value| format!("{name}={}", encode(&value)))
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// An array index of JavaScript. An object lists these names first, in the order of their numbers.
fn array_index(name: &str) -> Option<u32> {
    name.parse().ok().filter(|number: &u32| *number < u32::MAX && number.to_string() == name)
}

/// As `urlparse(url).geturl()` of Python writes it: without tabs and line ends, and without a fragment, a query and
/// parameters of the path that are empty.
fn in_python_spelling(rest: &str) -> String {
    let rest = rest.replace(['\t', '\n', '\r'], "");
    let (rest, fragment) = cut(&rest, '#');
    let (path, query) = cut(rest, '?');
    let last_segment = path.rfind('/').map_or(path, |slash| path.split_at(slash).1);
    let path = match last_segment.split_once(';') {
        Some((_, "")) => path.strip_suffix(';').unwrap_or(path),
        _ => path,
    };
    let part = |mark: char, part: Option<&str>| match part {
        Some(part) if !part.is_empty() => format!("{mark}{part}"),
        _ => String::new(),
    };
    format!("{path}{}{}", part('?', query), part('#', fragment))
}

fn with_sorted_query(rest: &str) -> String {
    let Some((path, query)) = rest.split_once('?') else { return rest.to_owned() };
    let mut pairs: Vec<_> = query.split('&').collect();
    pairs.sort_unstable();
    format!("{path}?{}", pairs.join("&"))
}

fn cut(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// The parts of a URL, cut and not parsed: a parser would change upper and lower case and the escapes, which the signature
/// covers.
struct UrlParts<'a> {
    scheme: &'a str,
    /// `user:password@`, or nothing.
    user_info: &'a str,
    host: &'a str,
    /// `:port`, or nothing.
    port: &'a str,
    /// Path, query and fragment.
    rest: &'a str,
}

impl<'a> UrlParts<'a> {
    fn split(url: &'a str) -> Option<Self> {
        let (scheme, after) = url.split_once("://")?;
        let (authority, rest) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
        let (user_info, host_port) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        // The colons in the brackets of an IPv6 address begin no port.
        let bracket = host_port.rfind(']').unwrap_or_default();
        let colon = host_port.get(bracket..).and_then(|text| text.find(':')).map(|colon| bracket + colon);
        let (host, port) = host_port.split_at(colon.unwrap_or(host_port.len()));
        Some(Self { scheme, user_info, host, port, rest })
    }

    /// With the port as it is, and the other way to write it: none if there is one, otherwise the scheme's default.
    fn with_ports(&self, user_info: &str, rest: &str) -> [String; 2] {
        let other = match self.port {
            "" if self.scheme.eq_ignore_ascii_case("https") => ":443",
            "" => ":80",
            _ => "",
        };
        [self.port, other].map(|port| format!("{}://{user_info}{}{port}{rest}", self.scheme, self.host))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_url_standard_spelling_is_that_of_node() {
        // `new URL("https://x" + rest)` in Node.js 24.
        for (rest, expected) in [
            ("", "/"),
            ("?a", "/?a"),
            ("/a/../b;?", "/b;?"),
            ("/a/%2E%2e/b/./c/..", "/b/"),
            ("/..", "/"),
            ("//a\\b", "//a/b"),
            ("/a^b`{}|[]%zz?a^b`{}|[]'%zz#a^`{}|", "/a%5Eb%60%7B%7D|[]%zz?a^b`{}|[]%27%zz#a^%60{}|"),
            ("/España?año=\"<> \u{7f}\t\n", "/Espa%C3%B1a?a%C3%B1o=%22%3C%3E%20%7F"),
            ("/a?b=c\u{1}  ", "/a?b=c"),
        ] {
            assert_eq!(in_url_standard_spelling(rest), expected, "{rest:?}");
        }
    }

    #[test]
    fn the_legacy_query_is_that_of_node() {
        // `querystring.stringify(querystring.parse(query))` in Node.js 24.
        for (query, expected) in [
            ("b=1&10=x&2=y&b=3&a", "2=y&10=x&b=1&b=3&a="),
            ("a=b+c&d=%2b%7E-_.!*'()", "a=b%20c&d=%2B~-_.!*'()"),
            ("a==b&&=&%zz=%C3", "a=%3Db&=&%25zz=%EF%BF%BD"),
            ("01=a&4294967295=b&4294967294=c", "4294967294=c&01=a&4294967295=b"),
            ("a=1#rc=2", "a=1%23rc%3D2"),
            ("&", ""),
        ] {
            assert_eq!(with_legacy_query(&format!("/?{query}")), format!("/?{expected}"));
        }
        assert_eq!(with_legacy_query("/a?"), "/a?");
        let many = |count: usize| format!("/?{}", vec!["a=b"; count].join("&"));
        assert_eq!(with_legacy_query(&many(1001)), many(1000));
    }

    #[test]
    fn the_python_spelling_is_that_of_urlparse() {
        // `urlparse("https://x" + rest).geturl()` in Python 3.11.
        for (rest, expected) in [
            ("/a?", "/a"),
            ("/a;?#", "/a"),
            ("/a;b?c#d", "/a;b?c#d"),
            ("/a;;?c", "/a;;?c"),
            ("/a;/b;", "/a;/b"),
            ("/a\tb?c\r\n=d", "/ab?c=d"),
        ] {
            assert_eq!(in_python_spelling(rest), expected, "{rest:?}");
        }
    }

    #[test]
    fn a_url_in_normal_form_has_two_spellings() {
        for url in [
            "https://wa.example.com/twilio/inbound",
            "https://wa.example.com/twilio/status?attempt=1&notification=a-b_c.d~e%20f",
        ] {
            assert_eq!(spellings(url).count(), 2, "{:?}", spellings(url).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_number_of_spellings_is_bounded() {
        let url = "https://user:password@host/a;?b='%27+&a=\t#c='%27+";
        let most = other_spellings(url, without_fragment(url)).len() + 1;
        assert!(most > 20, "{most}");
        assert!(most <= MAX_SPELLINGS, "{most}: a spelling would be left out");
    }

    proptest! {
        #[test]
        fn every_url_has_a_bounded_number_of_different_spellings(
            url in "(https?://)?([a-z:@.']{0,9})[/?#;a'+&=%27\\t ]{0,40}|\\PC{0,40}",
        ) {
            let mut found: Vec<_> = spellings(&url).collect();
            let count = found.len();
            prop_assert!(other_spellings(&url, without_fragment(&url)).len() < MAX_SPELLINGS);
            found.sort();
            found.dedup();
            prop_assert_eq!(found.len(), count);
        }
    }
}
