//! One person, several spellings: what five countries put before a mobile number, or leave out.
//!
//! WhatsApp knows an account by the spelling in which it was registered (the webhook's `wa_id`, Twilio's `WaId` and
//! `From`), so that the number a customer typed into a form and the number the same customer writes from may differ.
//! Source: WhatsApp Help Center, "About international phone number format"; Meta, "Cloud API", on the prefixes of
//! Brazil and Mexico, which the API may change.

use super::E164;

mod plans;

use plans::{NumberingPlan, PLANS};

impl E164 {
    /// The one spelling that stands for all that reach the same person: for keys, never for the address of a message,
    /// which goes to the spelling that was given.
    ///
    /// | country | canonical | also written |
    /// |---|---|---|
    /// | Brazil | with the ninth digit | without it |
    /// | Mexico | without the 1 after +52 | with it |
    /// | Argentina | without 9 and 15 | with 9 after +54, or with 15 after the area code |
    /// | Côte d'Ivoire | ten digits | the old eight |
    /// | Benin | ten digits | the old eight |
    #[must_use]
    pub fn canonical(&self) -> Self {
        let canonical = self.plan().and_then(|(plan, national)| {
            let canonical = (plan.canonical)(national)?;
            Some(Self(format!("{}{canonical}", plan.country_code)))
        });
        canonical.unwrap_or_else(|| self.clone())
    }

    /// Every spelling of the number, the canonical one first: what to look for where it was stored as it came.
    pub fn variants(&self) -> Vec<Self> {
        let canonical = self.canonical();
        let others = canonical.plan().map_or_else(Vec::new, |(plan, national)| {
            let others = (plan.others)(national).into_iter();
            others.map(|other| Self(format!("{}{other}", plan.country_code))).collect()
        });
        std::iter::once(canonical).chain(others).collect()
    }

    /// The numbering plan of its country, if the plan has several spellings, and its national number.
    fn plan(&self) -> Option<(&'static NumberingPlan, &str)> {
        PLANS.iter().find_map(|plan| self.as_str().strip_prefix(plan.country_code).map(|national| (plan, national)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> E164 {
        text.parse().unwrap()
    }

    #[test]
    fn another_spelling_makes_no_second_person() {
        for (text, canonical, case) in [
            ("+5511987654321", "+5511987654321", "Brazil with the ninth digit"),
            ("+551187654321", "+5511987654321", "Brazil without it"),
            ("+553196543210", "+5531996543210", "Brazil without it, where the eight digits begin with 9"),
            ("+5531996543210", "+5531996543210", "Brazil with two nines"),
            ("+556561234567", "+5565961234567", "Brazil, the lowest mobile number"),
            ("+551151234567", "+551151234567", "a landline in São Paulo"),
            ("+5511951234567", "+5511951234567", "a mobile number that never had eight digits"),
            ("+5508001234567", "+5508001234567", "a toll-free number"),
            ("+5215512345678", "+525512345678", "Mexico with the mobile digit"),
            ("+525512345678", "+525512345678", "Mexico without it"),
            ("+5491123456789", "+541123456789", "Argentina with the mobile digit"),
            ("+541123456789", "+541123456789", "Argentina without it"),
            ("+54111512345", "+54111512345", "Argentina, too short for the 15"),
            ("+54111512345678", "+541112345678", "Buenos Aires with 15"),
            ("+54380151234567", "+543801234567", "La Rioja with 15, whose area code has three digits"),
            ("+54296615123456", "+542966123456", "Río Gallegos with 15, whose area code has four digits"),
            ("+541115123456", "+541115123456", "Buenos Aires, a number that begins with 15"),
            ("+54888151234567", "+54888151234567", "Argentina, no area code"),
            ("+54380161234567", "+54380161234567", "Argentina, twelve digits without 15"),
            ("+22507123456", "+2250707123456", "Orange in Côte d'Ivoire with eight digits"),
            ("+2250707123456", "+2250707123456", "Orange in Côte d'Ivoire with ten digits"),
            ("+22549123456", "+2250749123456", "Orange, not the first series"),
            ("+22505123456", "+2250505123456", "MTN in Côte d'Ivoire"),
            ("+22564123456", "+2250564123456", "MTN, not the first series"),
            ("+22501123456", "+2250101123456", "Moov in Côte d'Ivoire"),
            ("+22570123456", "+2250170123456", "Moov, not the first series"),
            ("+22590512345", "+22590512345", "a service in Côte d'Ivoire"),
            ("+22521234567", "+22521234567", "a landline in Abidjan with eight digits"),
            ("+2250700123456", "+2250700123456", "a number of Côte d'Ivoire that never had eight digits"),
            ("+22995123456", "+2290195123456", "Benin with eight digits"),
            ("+2290195123456", "+2290195123456", "Benin with ten digits"),
            ("+22981123456", "+22981123456", "a service in Benin"),
            ("+14155550123", "+14155550123", "another country"),
            ("+55118765432", "+55118765432", "too short for Brazil"),
        ] {
            assert_eq!(number(text).canonical().as_str(), canonical, "{case}");
        }
    }

    #[test]
    fn all_spellings_are_given_the_canonical_one_first() {
        for (text, variants) in [
            ("+551187654321", vec!["+5511987654321", "+551187654321"]),
            ("+5511951234567", vec!["+5511951234567"]),
            ("+551151234567", vec!["+551151234567"]),
            ("+5215512345678", vec!["+525512345678", "+5215512345678"]),
            ("+541123456789", vec!["+541123456789", "+5491123456789", "+54111523456789"]),
            ("+54380151234567", vec!["+543801234567", "+5493801234567", "+54380151234567", "+54380115234567"]),
            ("+22507123456", vec!["+2250707123456", "+22507123456"]),
            ("+2250700123456", vec!["+2250700123456"]),
            ("+2252721234567", vec!["+2252721234567"]),
            ("+2290195123456", vec!["+2290195123456", "+22995123456"]),
            ("+14155550123", vec!["+14155550123"]),
        ] {
            assert_eq!(number(text).variants(), variants.into_iter().map(number).collect::<Vec<_>>(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn all_spellings_of_a_number_have_one_canonical_spelling(
            text in r"\+(54(11[0-9]{2}|[23][0-9]{3})15[0-9]{6,7}|54(11|[23][0-9]{2})15[0-9]{7,8}|(55[1-9]{2}|521?|549?|225(0[157])?|229(01)?|[1-9][0-9]?)[0-9]{6,10})",
        ) {
            let number = number(&text);
            let canonical = number.canonical();
            prop_assert_eq!(canonical.canonical(), canonical.clone());
            let variants = number.variants();
            prop_assert!(variants.contains(&number));
            prop_assert_eq!(variants.first(), Some(&canonical));
            for variant in variants {
                prop_assert_eq!(variant.as_str().parse::<E164>().unwrap().canonical(), canonical.clone());
            }
        }

        #[test]
        fn numbers_of_other_countries_stay_as_they_are(text in r"\+([1346-9][0-9]|2[013-9]|22[0-46-8]|5[013678])[0-9]{5,12}") {
            prop_assert_eq!(number(&text).variants(), vec![number(&text)]);
        }
    }
}
