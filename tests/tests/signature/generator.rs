//! Requests as Twilio, proxies and forgers might make them: mostly signed rightly, over the URL that is called or another
//! spelling of it, and some of them changed afterwards.

use std::collections::BTreeMap;

use fastrand::Rng;
use sha2::{Digest, Sha256};
use twilio_webhook::{
    form::Form,
    signature::{sign, sign_with_shared_key},
};

use crate::{
    request::{GeneratedRequest, SignedText},
    spelling::{Arrangement, Query, SPELLINGS, Spelling, arranged, written},
};

const SHARED_KEY_ID: &str = "webhooks_sharedkey_1";
const SHARED_KEY: &str = "the shared key";
const TOKENS: [&str; 2] = ["12345678901234567890123456789012", "the secondary token"];

pub(crate) struct Generator {
    random: Rng,
}

/// A URL in its parts, each as it is written.
#[derive(Clone)]
struct Address {
    scheme: &'static str,
    user_info: &'static str,
    host: &'static str,
    port: &'static str,
    path: String,
    /// With its question mark, or empty.
    query: String,
    fragment: &'static str,
}

impl Address {
    fn url(&self) -> String {
        let Self { scheme, user_info, host, port, path, query, fragment } = self;
        format!("{scheme}://{user_info}{host}{port}{path}{query}{fragment}")
    }
}

/// The key with which a request is signed.
#[derive(Clone, Copy)]
enum Key {
    Token(&'static str),
    Shared(&'static str),
}

impl Key {
    fn sign(self, text: &str) -> String {
        match self {
            Self::Token(token) => sign(&token.into(), text, &Form::default()),
            Self::Shared(key) => sign_with_shared_key(&key.into(), text, &Form::default()),
        }
    }
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed) }
    }

    pub(crate) fn request(&mut self) -> GeneratedRequest {
        let is_form = self.in_hundred(80);
        let params = is_form.then(|| self.pairs(8));
        let body = match &params {
            Some(params) => self.form_body(params),
            None => self.json(),
        };
        let (query, mut called) = self.address(&body, is_form);
        let signed = SignedText {
            url: self.signed_url(&called, &query),
            params: params.as_deref().map(|params| self.signed_params(params)).unwrap_or_default(),
        };
        let (settings, key) = self.settings();
        let signature = key.sign(&format!("{}{}", signed.url, signed.params));
        let signature = self.respelled_signature(signature);
        let mut request = GeneratedRequest {
            url: String::new(),
            body,
            params,
            signature,
            settings,
            tokens: TOKENS[..self.random.usize(1..=2)].iter().map(|&token| token.to_owned()).collect(),
            shared_keys: BTreeMap::from([(SHARED_KEY_ID.to_owned(), SHARED_KEY.to_owned())]),
            signed,
        };
        if self.in_hundred(6) {
            self.forge(&mut request, &mut called);
        }
        request.url = called.url();
        request
    }

    fn form_body(&mut self, params: &[(String, String)]) -> String {
        written(params, self.one(&[Spelling::Form, Spelling::Everything, Spelling::Component]), false)
    }

    fn in_hundred(&mut self, chance: u8) -> bool {
        self.random.u8(..100) < chance
    }

    fn one<T: Clone>(&mut self, choices: &[T]) -> T {
        self.random.choice(choices).unwrap().clone()
    }

    /// The decoded query, and the URL that is called.
    fn address(&mut self, body: &str, is_form: bool) -> (Query, Address) {
        let mut query = if self.in_hundred(70) { self.pairs(4) } else { Query::new() };
        if !is_form || self.in_hundred(2) {
            self.add_body_hash(&mut query, body);
        }
        let spelling = self.one(&SPELLINGS);
        let address = Address {
            scheme: self.mostly("https", &["http", "HTTPS"]),
            user_info: self.mostly("", &["user:password@", "user@", "us%40er:pass@"]),
            host: self.mostly("wa.example.com", &["127.0.0.1", "WA.Example.com", "[::1]", "bücher.example"]),
            port: self.mostly("", &[":443", ":80", ":8080", ":3000"]),
            path: self.path(),
            query: with_mark(written(&query, spelling, self.random.bool())),
            fragment: if self.in_hundred(1) { "#rc=2&rp=all" } else { "" },
        };
        (query, address)
    }

    fn mostly(&mut self, usual: &'static str, others: &[&'static str]) -> &'static str {
        if self.in_hundred(85) { usual } else { self.one(others) }
    }

    fn path(&mut self) -> String {
        let base = self
            .mostly("", &["/prod", "/wa/v1", "/caf%C3%A9", "/caf%c3%a9", "/it's", "/a%2Fb", "/a/../b", "//x", "/a b"]);
        format!("{base}{}", self.one(&["/twilio/inbound", "/twilio/status"]))
    }

    fn add_body_hash(&mut self, query: &mut Query, body: &str) {
        let digest = Sha256::digest(body.as_bytes());
        let hash = digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let name = "bodySHA256".to_owned();
        match self.random.u8(..100) {
            0..80 => query.push((name, hash)),
            80..84 => query.push((name, hash.to_uppercase())),
            84..88 => query.push((name, "0".repeat(64))),
            88..91 => query.extend([(name.clone(), hash), (name, "0".repeat(64))]),
            91..93 => query.extend([(name.clone(), String::new()), (name, hash)]),
            93..95 => query.push(("bodysha256".to_owned(), hash)),
            _ => {}
        }
        let place = self.random.usize(..=query.len());
        query.rotate_right(place);
    }

    fn json(&mut self) -> String {
        let pairs: BTreeMap<_, _> = self.pairs(4).into_iter().collect();
        self.mostly_text(serde_json::to_string(&pairs).unwrap(), &["", "{}", "[]", "no JSON", " {\"a\": 1}\n"])
    }

    fn mostly_text(&mut self, usual: String, others: &[&'static str]) -> String {
        if self.in_hundred(85) { usual } else { self.one(others).to_owned() }
    }

    /// Parameters with repetitions, empty names and values, and every kind of character.
    fn pairs(&mut self, most: usize) -> Query {
        let mut pairs: Query = (0..self.random.usize(..=most)).map(|_| (self.name(), self.text())).collect();
        if self.in_hundred(25) && !pairs.is_empty() {
            let (name, value) = self.one(&pairs);
            let value = if self.random.bool() { value } else { self.text() };
            pairs.push((name, value));
        }
        pairs
    }

    fn name(&mut self) -> String {
        const NAMES: [&str; 12] = [
            "AccountSid",
            "Body",
            "From",
            "MessageSid",
            "MediaUrl0",
            "notification",
            "attempt",
            "a",
            "A",
            "aa",
            "10",
            "9",
        ];
        if self.in_hundred(85) { self.one(&NAMES).to_owned() } else { self.text() }
    }

    fn text(&mut self) -> String {
        const TEXTS: [&str; 12] = [
            "",
            "AC00000000000000000000000000000001",
            "whatsapp:+14155550123",
            "order-18473-shipped",
            "It's 5 o'clock",
            "a+b c%20d",
            "name@example.com:8080",
            "Grüße, Ñandú",
            "100 % & more = less?",
            "\u{1f44b} hi",
            "a~b*c(d)!",
            "1/2;3",
        ];
        match self.random.u8(..100) {
            0..60 => self.one(&TEXTS).to_owned(),
            60..80 => (0..self.random.usize(1..6)).map(|_| self.random.char('!'..='~')).collect(),
            _ => (0..self.random.usize(1..4)).map(|_| self.odd_character()).collect(),
        }
    }

    /// Those that parsers, sorters and proxies treat in different ways. U+E000 sorts after U+1F600 in UTF-16, and before it
    /// in UTF-8.
    fn odd_character(&mut self) -> char {
        const ODD: [char; 22] = [
            '\0',
            '\t',
            '\n',
            '\r',
            ' ',
            '"',
            '#',
            '%',
            '\'',
            '+',
            '<',
            '\\',
            '^',
            '`',
            '|',
            '\u{7f}',
            '\u{a0}',
            '\u{301}',
            '\u{2028}',
            '\u{e000}',
            '\u{ffff}',
            '\u{1f600}',
        ];
        if self.random.bool() { self.one(&ODD) } else { self.random.char(..) }
    }

    /// The URL as Twilio may have signed it: as it is called, or in another way.
    fn signed_url(&mut self, called: &Address, query: &Query) -> String {
        let mut signed = called.clone();
        match self.random.u8(..100) {
            0..45 => {}
            45..75 => self.respell_query(&mut signed, query),
            75..90 => self.respell_authority(&mut signed),
            90..94 => return reqwest::Url::parse(&called.url()).map_or_else(|_| called.url(), String::from),
            94..96 => {
                self.respell_query(&mut signed, query);
                self.respell_authority(&mut signed);
            }
            96 => signed.path.push('/'),
            97 => signed.query = with_mark(signed.query.trim_start_matches('?').to_owned() + "&extra=1"),
            98 => signed.fragment = "",
            _ => signed.path = signed.path.to_uppercase(),
        }
        signed.url()
    }

    fn respell_query(&mut self, address: &mut Address, query: &Query) {
        let arrangement = self.one(&[Arrangement::AsGiven, Arrangement::Sorted, Arrangement::Grouped]);
        let query = arranged(query, arrangement);
        address.query = match self.random.u8(..10) {
            0 => address.query.replace('\'', "%27"),
            1 => address.query.replace("%27", "'"),
            2 => address.query.replace("%20", "+"),
            3 => address.query.replace('+', "%20"),
            // As Node's `querystring` writes it.
            4 | 5 => with_mark(written(&arranged(&query, Arrangement::Grouped), Spelling::Component, false)),
            _ => with_mark(written(&query, self.one(&SPELLINGS), self.random.bool())),
        };
    }

    fn respell_authority(&mut self, address: &mut Address) {
        match self.random.u8(..10) {
            0..4 => address.port = if address.port.is_empty() { self.one(&[":443", ":80", ":8080"]) } else { "" },
            4..6 => address.user_info = "",
            6 => (address.user_info, address.port) = ("", ""),
            7 => address.scheme = self.one(&["https", "http", "HTTPS"]),
            8 => address.host = self.one(&["wa.example.com", "WA.Example.com", "other.example.com"]),
            _ => address.port = self.one(&["", ":443", ":80", ":8080"]),
        }
    }

    /// The form's part of the signed text: as Twilio's libraries write it, or wrongly.
    fn signed_params(&mut self, params: &[(String, String)]) -> String {
        let mut params = params.to_vec();
        match self.random.u8(..100) {
            0..88 => {
                params.sort();
                params.dedup();
            }
            88..94 => {
                params.sort_by_cached_key(|(name, value)| [utf16(name), utf16(value)]);
                params.dedup();
            }
            94 => params.sort(),
            95 => {}
            96 => return written(&params, Spelling::Form, false),
            97 => return String::new(),
            98 => params = params.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect(),
            _ => params.sort_by_key(|(name, _)| name.to_lowercase()),
        }
        params.into_iter().map(|(name, value)| name + &value).collect()
    }

    /// The settings header, and the key that the sender signs with: mostly the one that the header names.
    fn settings(&mut self) -> (Option<String>, Key) {
        const NAMING_A_TOKEN: [&str; 8] = [
            "",
            "algorithm=HMAC_SHA1",
            "algorithm=hmac_sha1",
            "algorithm=",
            "key=webhooks_sharedkey_1",
            "key=unknown",
            "key=webhooks_sharedkey_1,algorithm=HMAC_SHA1",
            "nonsense",
        ];
        const NAMING_A_KEY: [&str; 8] = [
            "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256",
            "algorithm=HMAC_SHA256,key=webhooks_sharedkey_1",
            "key = webhooks_sharedkey_1 , algorithm = hmac_sha256",
            "Key=webhooks_sharedkey_1,Algorithm=HMAC_SHA256",
            "key=unknown,algorithm=HMAC_SHA256",
            "algorithm=HMAC_SHA256",
            "key=webhooks_sharedkey_1,algorithm=HMAC_MD5",
            "key=webhooks_sharedkey_1;algorithm=HMAC_SHA256",
        ];
        let token =
            Key::Token(if self.in_hundred(95) { TOKENS[0] } else { self.one(&[TOKENS[1], "a stranger's token"]) });
        let shared = Key::Shared(if self.in_hundred(90) { SHARED_KEY } else { self.one(&[TOKENS[0], ""]) });
        let (settings, key) = match self.random.u8(..100) {
            0..75 => return (None, if self.in_hundred(97) { token } else { shared }),
            75..85 => (self.one(&NAMING_A_TOKEN), token),
            85..93 => (NAMING_A_KEY[0], shared),
            _ => (self.one(&NAMING_A_KEY), shared),
        };
        let key = if self.in_hundred(95) { key } else { self.one(&[token, shared]) };
        (Some(settings.to_owned()), key)
    }

    fn respelled_signature(&mut self, signature: String) -> Option<String> {
        if self.in_hundred(85) {
            return Some(signature);
        }
        let changed = match self.random.u8(..13) {
            0 => return None,
            1 => String::new(),
            2 => signature[..signature.len() - 1].to_owned(),
            3 => signature.trim_end_matches('=').to_owned(),
            4 => signature.to_uppercase(),
            5 => signature.to_lowercase(),
            6 => signature.replace('+', "-").replace('/', "_"),
            7 => format!("{signature},{signature}"),
            8 => self.one(&[format!("{signature}, AAAA"), format!("AAAA,{signature}"), format!("{signature},")]),
            9 => self.one(&[format!(" {signature}"), format!("{signature} "), format!("{signature}\n")]),
            10 => format!("{signature}="),
            11 => with_trailing_bits(&signature),
            _ => self.text(),
        };
        Some(changed)
    }

    /// Changes a request after it was signed.
    fn forge(&mut self, request: &mut GeneratedRequest, called: &mut Address) {
        match (self.random.u8(..4), &mut request.params) {
            (0, Some(params)) => params.push(("Body".to_owned(), "forged".to_owned())),
            (1, Some(params)) => drop(params.pop()),
            (2, Some(params)) => {
                if let Some((_, value)) = params.last_mut() {
                    value.push('!');
                }
            }
            (0..=2, None) => request.body.push(' '),
            _ => called.path.push_str("/forged"),
        }
        if let Some(params) = &request.params {
            request.body = self.form_body(params);
        }
    }
}

fn with_mark(query: String) -> String {
    if query.is_empty() { query } else { format!("?{query}") }
}

fn utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Another base64 text that a lenient decoder reads as the same bytes.
fn with_trailing_bits(signature: &str) -> String {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = signature.trim_end_matches('=');
    let (rest, last) = digits.split_at(digits.len() - 1);
    let next = DIGITS.split_once(last).and_then(|(_, after)| after.chars().next()).unwrap_or('A');
    format!("{rest}{next}=")
}
