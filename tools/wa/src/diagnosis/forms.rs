//! Variants of a form: the parameters that Twilio may have signed instead.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use twilio_webhook::form::Form;

use super::Variant;

type Pair = (String, String);
/// How the signed value differs, and the function that makes it from the value that came.
type Rewrite<'a> = (&'a str, &'a dyn Fn(&str) -> String);

/// Parameters whose value follows from another one's, and parameters with a usual value. Source: Twilio, "Twilio's request".
const COPIES: [(&str, &str); 6] = [
    ("SmsSid", "MessageSid"),
    ("SmsMessageSid", "MessageSid"),
    ("MessageSid", "SmsSid"),
    ("MessageSid", "SmsMessageSid"),
    ("SmsStatus", "MessageStatus"),
    ("MessageStatus", "SmsStatus"),
];
const CONSTANTS: [(&str, &str); 10] = [
    ("ApiVersion", "2010-04-01"),
    ("NumMedia", "0"),
    ("NumSegments", "1"),
    ("ReferralNumMedia", "0"),
    ("SmsStatus", "received"),
    ("MessageType", "text"),
    ("ChannelPrefix", "whatsapp"),
    ("EventType", "DELIVERED"),
    ("EventType", "READ"),
    ("Forwarded", "true"),
];
/// Parameters that Twilio sends empty, and that some frameworks drop.
const EMPTY: [&str; 12] = [
    "Body",
    "ProfileName",
    "ToCountry",
    "ToState",
    "ToCity",
    "ToZip",
    "FromCountry",
    "FromState",
    "FromCity",
    "FromZip",
    "ChannelMetadata",
    "ErrorCode",
];

const ALL_OF_THEM: &str =
    "check with every parameter that came, whatever its name: Twilio adds new ones without notice";
const AS_THEY_CAME: &str = "check with the values as they came, before anything trims, decodes or encodes them";

/// The likeliest first.
pub(super) fn variants(form: &Form) -> Vec<Variant<Form>> {
    let pairs = form.pairs();
    let mut variants = values(pairs);
    variants.extend(added(pairs));
    variants.extend(missing(pairs));
    variants.extend(repeated(pairs));
    variants.retain(|variant| variant.value.pairs() != pairs);
    variants
}

/// Rewrites each value alone, and all of them at once.
fn values(pairs: &[Pair]) -> Vec<Variant<Form>> {
    let decoded = |value: &str| percent_decode_str(value).decode_utf8_lossy().into_owned();
    let rewrites: [Rewrite<'_>; 14] = [
        ("with + where it now has a space: the + was decoded as a space", &|value| value.replace(' ', "+")),
        ("with a space where it now has a +: the + was not decoded", &|value| value.replace('+', " ")),
        ("decoded: it is still percent-encoded", &|value| decoded(&value.replace('+', " "))),
        ("decoded: it is still percent-encoded", &decoded),
        ("encoded: it was decoded twice", &|value| utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()),
        ("encoded: it was decoded twice", &|value| form_urlencoded::byte_serialize(value.as_bytes()).collect()),
        ("without the white space around it", &|value| value.trim().to_owned()),
        ("with a space at its end, which was trimmed", &|value| format!("{value} ")),
        ("with a space at its beginning, which was trimmed", &|value| format!(" {value}")),
        ("with a line end at its end, which was trimmed", &|value| format!("{value}\n")),
        ("with line ends of two characters (CR LF)", &|value| value.replace('\n', "\r\n")),
        ("with line ends of one character (LF)", &|value| value.replace("\r\n", "\n")),
        ("with & where it now has &amp;: it was escaped for HTML", &unescaped),
        ("empty: it came empty and was filled, or null was written", &|value| {
            if matches!(value, "null" | "undefined" | "None") { String::new() } else { value.to_owned() }
        }),
    ];
    let mut variants = Vec::new();
    for (what, rewrite) in rewrites {
        let changed: Vec<&str> =
            pairs.iter().filter(|(_, value)| rewrite(value) != *value).map(|(name, _)| name.as_str()).collect();
        for (index, (name, value)) in pairs.iter().enumerate() {
            let mut rewritten = pairs.to_vec();
            if let Some(pair) = rewritten.get_mut(index) {
                pair.1 = rewrite(value);
            }
            variants.push(Variant::new(form_of(rewritten), format!("signed with {name} {what}"), AS_THEY_CAME));
        }
        let all = pairs.iter().map(|(name, value)| (name.clone(), rewrite(value))).collect();
        let finding = format!("signed with {} {what}", changed.join(", "));
        variants.push(Variant::new(form_of(all), finding, AS_THEY_CAME));
    }
    variants
}

fn unescaped(value: &str) -> String {
    value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&")
}

/// Removes parameters that something may have added on the way.
fn added(pairs: &[Pair]) -> Vec<Variant<Form>> {
    let mut variants = Vec::new();
    let fix = "check with the parameters of the body alone, without what the query or a framework adds";
    for index in 0..pairs.len() {
        let mut fewer = pairs.to_vec();
        let (name, _) = fewer.remove(index);
        variants.push(Variant::new(form_of(fewer), format!("signed without {name}, which was added on the way"), fix));
    }
    let filled = pairs.iter().filter(|(_, value)| !value.is_empty()).cloned().collect();
    variants.push(Variant::new(form_of(filled), "signed without the empty parameters", fix));
    let finding = "signed without any parameter: as a GET, or as a body that is not a form";
    let fix = "set the webhook's method to POST at Twilio, or check a GET without parameters (--param)";
    variants.push(Variant::new(Form::default(), finding, fix));
    variants
}

/// Adds parameters that something may have dropped on the way, if their value can be derived.
fn missing(pairs: &[Pair]) -> Vec<Variant<Form>> {
    let get = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let copies = COPIES.iter().filter_map(|(name, of)| Some(((*name).to_owned(), get(of)?)));
    let constants = CONSTANTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let from = get("From").unwrap_or_default();
    let wa_id = from.strip_prefix("whatsapp:+").map(|digits| ("WaId".to_owned(), digits.to_owned()));
    let empty = EMPTY.iter().map(|name| ((*name).to_owned(), String::new()));
    let candidates = copies.chain(constants).chain(wa_id).chain(empty).filter(|(name, _)| get(name).is_none());
    let with = |dropped: Pair| {
        let (name, value) = dropped.clone();
        let finding = if value.is_empty() {
            format!("signed with {name}, which is missing: parameters that are empty were dropped")
        } else {
            format!("signed with {name}={value}, which is missing")
        };
        let more = pairs.iter().cloned().chain([dropped]).collect();
        Variant::new(form_of(more), finding, ALL_OF_THEM)
    };
    candidates.map(with).collect()
}

/// Reduces repeated parameters to one, as frameworks do that keep one value for a name, and the reverse.
fn repeated(pairs: &[Pair]) -> Vec<Variant<Form>> {
    let mut variants = Vec::new();
    let names = pairs.iter().map(|(name, _)| name);
    let mut names: Vec<_> =
        names.clone().filter(|name| names.clone().filter(|other| other == name).count() > 1).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let all: Vec<_> = pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect();
        let others = || pairs.iter().filter(|(other, _)| other != name).cloned();
        let fix = "check with each value of a name that came repeatedly, and with no other";
        let one = |value: &str| form_of(others().chain([(name.clone(), value.to_owned())]).collect());
        for value in &all {
            variants.push(Variant::new(
                one(value),
                format!("signed with {name} once, and it is there repeatedly"),
                fix,
            ));
        }
        variants.push(Variant::new(
            one(&all.join(",")),
            format!("signed with the values of {name} joined by commas"),
            fix,
        ));
    }
    for (name, value) in pairs.iter().filter(|(_, value)| value.contains(',')) {
        let others = pairs.iter().filter(|(other, _)| other != name).cloned();
        let cut = value.split(',').map(|value| (name.clone(), value.to_owned()));
        let finding = format!("signed with {name} repeatedly, whose values were joined by commas");
        variants.push(Variant::new(form_of(others.chain(cut).collect()), finding, "keep repeated parameters apart"));
    }
    variants
}

fn form_of(pairs: Vec<Pair>) -> Form {
    pairs.into_iter().collect()
}
