//! The markets of Meta's rate card, by the countries that they have.
//!
//! Source: Meta, "Pricing on the WhatsApp Business Platform", the table of country calling codes, as of 2025; the nine
//! countries that have rates of their own since 1 October 2026 are here as well. Meta moves countries out of the groups from
//! time to time: a row of the country itself counts before the row of its group, so a group may name too many.

/// A market of one country, in Meta's spelling.
const COUNTRIES: [(&str, &str); 34] = [
    ("argentina", "AR"),
    ("bangladesh", "BD"),
    ("brazil", "BR"),
    ("chile", "CL"),
    ("colombia", "CO"),
    ("egypt", "EG"),
    ("france", "FR"),
    ("germany", "DE"),
    ("india", "IN"),
    ("indonesia", "ID"),
    ("iraq", "IQ"),
    ("israel", "IL"),
    ("italy", "IT"),
    ("kazakhstan", "KZ"),
    ("kuwait", "KW"),
    ("malaysia", "MY"),
    ("mexico", "MX"),
    ("morocco", "MA"),
    ("nepal", "NP"),
    ("netherlands", "NL"),
    ("nigeria", "NG"),
    ("oman", "OM"),
    ("pakistan", "PK"),
    ("peru", "PE"),
    ("russia", "RU"),
    ("saudi arabia", "SA"),
    ("south africa", "ZA"),
    ("spain", "ES"),
    ("sri lanka", "LK"),
    ("turkey", "TR"),
    ("ukraine", "UA"),
    ("united arab emirates", "AE"),
    ("united kingdom", "GB"),
    ("united states", "US"),
];

const GROUPS: [(&str, &str); 7] = [
    ("north america", "CA US"),
    (
        "rest of africa",
        "DZ AO BJ BW BF BI CM TD CG ER ET GA GM GH GW CI KE LS LR LY MG MW ML MR MA MZ NA NE RW SN SL SO SS SD SZ TZ TG TN \
         UG ZM",
    ),
    ("rest of asia pacific", "AF AU BD KH CN HK JP LA MN NP NZ PG PH SG LK TW TJ TH TM UZ VN"),
    ("rest of central & eastern europe", "AL AM AZ BY BG HR CZ GE GR HU LV LT MD MK PL RO RS SK SI UA"),
    ("rest of latin america", "BO CR DO EC SV GT HT HN JM NI PA PY PR UY VE"),
    ("rest of middle east", "BH IQ JO KW LB OM QA YE"),
    ("rest of western europe", "AT BE DK FI IE NO PT SE CH"),
];

/// What a market of the card is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Market {
    Country(&'static str),
    /// Several countries, separated by spaces.
    Group(&'static str),
    /// Every country that no other row has.
    Rest,
}

/// The market of this name, in any letter case.
pub(super) fn market(name: &str) -> Option<Market> {
    let name = name.to_ascii_lowercase().replace(" and ", " & ");
    let find = |markets: &[(&str, &'static str)]| {
        markets.iter().find(|(market, _)| *market == name).map(|(_, countries)| *countries)
    };
    match name.as_str() {
        "*" | "other" => Some(Market::Rest),
        _ => find(&COUNTRIES).map(Market::Country).or_else(|| find(&GROUPS).map(Market::Group)),
    }
}

#[cfg(test)]
mod tests {
    use domain::region::Region;

    use super::*;

    #[test]
    fn every_country_of_a_market_has_phone_numbers() {
        for (market, countries) in COUNTRIES.iter().chain(&GROUPS) {
            for country in countries.split(' ') {
                assert!(country.parse::<Region>().is_ok(), "{market}: {country}");
            }
        }
    }

    #[test]
    fn no_country_is_in_two_groups() {
        let mut countries: Vec<_> = GROUPS.iter().flat_map(|(_, countries)| countries.split(' ')).collect();
        let all = countries.len();
        countries.sort_unstable();
        countries.dedup();
        assert_eq!(countries.len(), all);
    }

    #[test]
    fn market_is_found_in_any_letter_case() {
        assert_eq!(market("Brazil"), Some(Market::Country("BR")));
        assert_eq!(market("Rest of Central and Eastern Europe"), market("rest of central & eastern europe"));
        assert_eq!((market("Other"), market("*"), market("Atlantis")), (Some(Market::Rest), Some(Market::Rest), None));
    }
}
