//! The ways in which clients, proxies and Twilio's libraries write one URL.

use std::collections::BTreeMap;

/// How names and values of a query are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// JavaScript's `encodeURIComponent`, and so Node's `querystring`.
    Component,
    /// As HTML forms: `+` for a space, `*-._` bare.
    Form,
    /// Only what is unreserved in RFC 3986 is bare.
    Unreserved,
    /// Only letters and digits are bare.
    Everything,
    /// As `Everything`, with lower-case digits.
    EverythingLower,
    /// Only what would end a name, a value or the query is escaped.
    Minimal,
    /// As `Minimal`, with `%20` escaped and all outside ASCII.
    Ascii,
}

pub(crate) const SPELLINGS: [Spelling; 7] = [
    Spelling::Component,
    Spelling::Form,
    Spelling::Unreserved,
    Spelling::Everything,
    Spelling::EverythingLower,
    Spelling::Minimal,
    Spelling::Ascii,
];

impl Spelling {
    fn is_bare(self, byte: u8) -> bool {
        let bare: &[u8] = match self {
            Self::Component => b"-_.!~*'()",
            Self::Form => b"*-._",
            Self::Unreserved => b"-._~",
            Self::Everything | Self::EverythingLower => b"",
            Self::Minimal => return !byte.is_ascii_control() && !b" #%&+=".contains(&byte),
            Self::Ascii => return byte.is_ascii_graphic() && !b"#%&+=\"<>".contains(&byte),
        };
        byte.is_ascii_alphanumeric() || bare.contains(&byte)
    }

    pub(crate) fn escape(self, text: &str) -> String {
        let mut escaped = Vec::new();
        for byte in text.bytes() {
            match byte {
                b' ' if self == Self::Form => escaped.push(b'+'),
                _ if self.is_bare(byte) => escaped.push(byte),
                _ if self == Self::EverythingLower => escaped.extend(format!("%{byte:02x}").bytes()),
                _ => escaped.extend(format!("%{byte:02X}").bytes()),
            }
        }
        String::from_utf8(escaped).unwrap()
    }
}

/// A query by its decoded names and values.
pub(crate) type Query = Vec<(String, String)>;

/// What is done with a query before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrangement {
    AsGiven,
    Sorted,
    /// Repeated names together, names of digits first, in numerical order: an object of JavaScript.
    Grouped,
}

pub(crate) fn arranged(query: &[(String, String)], arrangement: Arrangement) -> Query {
    let mut query = query.to_vec();
    match arrangement {
        Arrangement::AsGiven => {}
        Arrangement::Sorted => query.sort(),
        Arrangement::Grouped => {
            let mut first = BTreeMap::new();
            for (place, (name, _)) in query.iter().enumerate() {
                let index =
                    name.parse::<u32>().ok().filter(|number| number.to_string() == *name && *number != u32::MAX);
                first.entry(name.clone()).or_insert((index.is_none(), index, place));
            }
            query.sort_by_key(|(name, _)| first[name]);
        }
    }
    query
}

/// `bare_empty`: a parameter with an empty value has no `=`.
pub(crate) fn written(query: &[(String, String)], spelling: Spelling, bare_empty: bool) -> String {
    let pair = |(name, value): &(String, String)| match value.as_str() {
        "" if bare_empty => spelling.escape(name),
        _ => format!("{}={}", spelling.escape(name), spelling.escape(value)),
    };
    query.iter().map(pair).collect::<Vec<_>>().join("&")
}
