//! One person, several spellings: the digit that three countries put before a mobile number, or leave out.
//!
//! WhatsApp knows an account by the spelling in which it was registered (the webhook's `wa_id`, Twilio's `WaId` and
//! `From`), so that the number a customer typed into a form and the number the same customer writes from may differ.
//! Source: WhatsApp Help Center, "About international phone number format"; Meta, "Cloud API", on the prefixes of
//! Brazil and Mexico, which the API may change.

use super::E164;

/// Digits after the country code, in Mexico and Argentina without the mobile digit, in Brazil without the ninth.
const NATIONAL_DIGITS: usize = 10;
/// Digits of a Brazilian area code (DDD).
const BRAZIL_AREA_DIGITS: usize = 2;
/// Country codes with and without the mobile digit.
const MOBILE_DIGITS: [(&str, &str); 2] = [("+521", "+52"), ("+549", "+54")];

impl E164 {
    /// The one spelling that stands for all that reach the same person: for keys, never for the address of a message,
    /// which goes to the spelling that was given.
    ///
    /// - Brazil: with the ninth digit. A mobile number of eight digits begins with 6 to 9 and got a 9 in front; one that
    ///   begins with 2 to 5 is a landline's and stays (Anatel, Resolução 553/2010).
    /// - Mexico: without the 1 after +52, which is not dialled since August 2019 (IFT, "Plan Técnico Fundamental de
    ///   Numeración").
    /// - Argentina: without the 9 after +54, which only callers from abroad dial (ENACOM, "Plan Fundamental de Numeración
    ///   Nacional").
    #[must_use]
    pub fn canonical(&self) -> Self {
        let number = self.as_str();
        if let Some((area, subscriber)) = brazilian(number)
            && subscriber.len() == NATIONAL_DIGITS - BRAZIL_AREA_DIGITS
            && is_brazilian_mobile(subscriber)
        {
            return Self(format!("+55{area}9{subscriber}"));
        }
        for (marked, plain) in MOBILE_DIGITS {
            if let Some(national) = number.strip_prefix(marked)
                && national.len() == NATIONAL_DIGITS
            {
                return Self(format!("{plain}{national}"));
            }
        }
        self.clone()
    }

    /// Every spelling of the number, the canonical one first: what to look for where it was stored as it came.
    pub fn variants(&self) -> Vec<Self> {
        let canonical = self.canonical();
        let other = canonical.other_spelling();
        std::iter::once(canonical).chain(other).collect()
    }

    /// The spelling beside a canonical one.
    fn other_spelling(&self) -> Option<Self> {
        let number = self.as_str();
        if let Some((area, subscriber)) = brazilian(number) {
            let without = subscriber.strip_prefix('9')?;
            let mobile = without.len() == NATIONAL_DIGITS - BRAZIL_AREA_DIGITS && is_brazilian_mobile(without);
            return mobile.then(|| Self(format!("+55{area}{without}")));
        }
        MOBILE_DIGITS.into_iter().find_map(|(marked, plain)| {
            let national = number.strip_prefix(plain)?;
            (national.len() == NATIONAL_DIGITS).then(|| Self(format!("{marked}{national}")))
        })
    }
}

/// Area code and subscriber number.
fn brazilian(number: &str) -> Option<(&str, &str)> {
    let (area, subscriber) = number.strip_prefix("+55")?.split_at_checked(BRAZIL_AREA_DIGITS)?;
    (!area.contains('0')).then_some((area, subscriber))
}

/// Whether a number of eight digits is one of those that got a ninth.
fn is_brazilian_mobile(subscriber: &str) -> bool {
    subscriber.starts_with(['6', '7', '8', '9'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> E164 {
        text.parse().unwrap()
    }

    #[test]
    fn the_mobile_digits_of_three_countries_make_no_second_person() {
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
            ("+541123456789", vec!["+541123456789", "+5491123456789"]),
            ("+14155550123", vec!["+14155550123"]),
        ] {
            assert_eq!(number(text).variants(), variants.into_iter().map(number).collect::<Vec<_>>(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn all_spellings_of_a_number_have_one_canonical_spelling(
            text in r"\+(55[1-9]{2}|521?|549?|[1-9][0-9]?)[0-9]{6,11}",
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
        fn numbers_of_other_countries_stay_as_they_are(text in r"\+([1-46-9][0-9]|5[013678])[0-9]{5,13}") {
            prop_assert_eq!(number(&text).variants(), vec![number(&text)]);
        }
    }
}
