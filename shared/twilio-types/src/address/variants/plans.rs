//! The numbering plans in which one person has several spellings. Each reads the national number: the digits after the
//! country code.

/// A country's rules.
pub(super) struct NumberingPlan {
    /// The country code with its `+`.
    pub(super) country_code: &'static str,
    /// The canonical national number; none if the given one is canonical.
    pub(super) canonical: fn(&str) -> Option<String>,
    /// The other spellings of a canonical national number.
    pub(super) others: fn(&str) -> Vec<String>,
}

pub(super) const PLANS: [NumberingPlan; 5] = [
    NumberingPlan { country_code: "+55", canonical: brazil_canonical, others: brazil_others },
    NumberingPlan { country_code: "+52", canonical: mexico_canonical, others: mexico_others },
    NumberingPlan { country_code: "+54", canonical: argentina_canonical, others: argentina_others },
    NumberingPlan { country_code: "+225", canonical: ivory_coast_canonical, others: ivory_coast_others },
    NumberingPlan { country_code: "+229", canonical: benin_canonical, others: benin_others },
];

/// Digits of a Brazilian area code (DDD).
const BRAZIL_AREA_DIGITS: usize = 2;
/// Digits of a Brazilian mobile number before it got the ninth, without its area code.
const BRAZIL_OLD_DIGITS: usize = 8;

/// With the ninth digit. A mobile number of eight digits begins with 6 to 9 and got a 9 in front; one that begins with 2
/// to 5 is a landline's and stays (Anatel, Resolução 553/2010).
fn brazil_canonical(national: &str) -> Option<String> {
    let (area, subscriber) = brazilian_parts(national)?;
    is_old_brazilian_mobile(subscriber).then(|| format!("{area}9{subscriber}"))
}

fn brazil_others(national: &str) -> Vec<String> {
    let without_ninth = || {
        let (area, subscriber) = brazilian_parts(national)?;
        let old = subscriber.strip_prefix('9').filter(|old| is_old_brazilian_mobile(old))?;
        Some(format!("{area}{old}"))
    };
    without_ninth().into_iter().collect()
}

/// Area code and subscriber number.
fn brazilian_parts(national: &str) -> Option<(&str, &str)> {
    let (area, subscriber) = national.split_at_checked(BRAZIL_AREA_DIGITS)?;
    (!area.contains('0')).then_some((area, subscriber))
}

fn is_old_brazilian_mobile(subscriber: &str) -> bool {
    subscriber.len() == BRAZIL_OLD_DIGITS && subscriber.starts_with(['6', '7', '8', '9'])
}

/// Digits of a national number in Mexico and in Argentina, without what is put in front of a mobile number.
const NATIONAL_DIGITS: usize = 10;

/// Without the 1 after +52, which is not dialled since August 2019 (IFT, "Plan Técnico Fundamental de Numeración").
fn mexico_canonical(national: &str) -> Option<String> {
    without_mobile_digit(national, '1')
}

fn mexico_others(national: &str) -> Vec<String> {
    if national.len() == NATIONAL_DIGITS { vec![format!("1{national}")] } else { Vec::new() }
}

fn without_mobile_digit(national: &str, digit: char) -> Option<String> {
    let rest = national.strip_prefix(digit)?;
    (rest.len() == NATIONAL_DIGITS).then(|| rest.to_owned())
}

/// What callers within Argentina dial between the area code and a mobile number.
const ARGENTINA_DOMESTIC: &str = "15";

/// Without the 9 after +54, which only callers from abroad dial, and without the 15 after the area code, which only
/// callers in Argentina dial (ENACOM, "Plan Fundamental de Numeración Nacional": area code and subscriber number have ten
/// digits together).
///
/// A number with the 15 has twelve digits, as no other number of the country has. Its area code is 11 (Buenos Aires), or
/// has three or four digits of which the first is 2 or 3, as in libphonenumber's `nationalPrefixForParsing`. The 15
/// cannot follow the third and the fourth digit at once, so its place is known without a list of area codes.
fn argentina_canonical(national: &str) -> Option<String> {
    without_mobile_digit(national, '9').or_else(|| {
        if national.len() != NATIONAL_DIGITS + ARGENTINA_DOMESTIC.len() {
            return None;
        }
        argentine_area_lengths(national).iter().find_map(|length| {
            let (area, rest) = national.split_at_checked(*length)?;
            rest.strip_prefix(ARGENTINA_DOMESTIC).map(|subscriber| format!("{area}{subscriber}"))
        })
    })
}

fn argentina_others(national: &str) -> Vec<String> {
    if national.len() != NATIONAL_DIGITS {
        return Vec::new();
    }
    let domestic = argentine_area_lengths(national).iter().filter_map(|length| {
        let (area, subscriber) = national.split_at_checked(*length)?;
        Some(format!("{area}{ARGENTINA_DOMESTIC}{subscriber}"))
    });
    [format!("9{national}")].into_iter().chain(domestic).collect()
}

/// How many digits the area code may have.
fn argentine_area_lengths(national: &str) -> &'static [usize] {
    if national.starts_with("11") {
        &[2]
    } else if national.starts_with(['2', '3']) {
        &[3, 4]
    } else {
        &[]
    }
}

/// Digits of a number in Côte d'Ivoire and Benin before it got two more.
const OLD_DIGITS: usize = 8;

/// With ten digits, as since 31 January 2021: a mobile number got 07 (Orange), 05 (MTN) or 01 (Moov) in front, a landline
/// number, which began with 2 or 3, something else and stays here (ARTCI's announcement of 28 July 2020, in newsgeek.ci,
/// "Téléphonie : la Côte d'Ivoire bascule à 10 chiffres à partir du 31 janvier 2021"). Numbers that begin with 9 are of
/// services (Wikipédia, "Liste des indicatifs téléphoniques en Côte d'Ivoire").
///
/// The second digit of the old number tells its operator. We know no page of ARTCI that says so, but the rule covers
/// every old mobile number of libphonenumber (metadata of CI before 2021). If it is wrong for a number, its two spellings
/// are two people, as they were without it.
fn ivory_coast_canonical(national: &str) -> Option<String> {
    let prefix = ivorian_prefix(national)?;
    Some(format!("{prefix}{national}"))
}

fn ivory_coast_others(national: &str) -> Vec<String> {
    let old = || {
        let (prefix, old) = national.split_at_checked(2)?;
        (ivorian_prefix(old) == Some(prefix)).then(|| old.to_owned())
    };
    old().into_iter().collect()
}

/// What an old mobile number got in front; none if it is not one.
fn ivorian_prefix(old: &str) -> Option<&'static str> {
    let is_mobile = old.len() == OLD_DIGITS && old.starts_with(['0', '4', '5', '6', '7', '8']);
    match old.as_bytes().get(1).filter(|_| is_mobile)? {
        b'7'..=b'9' => Some("07"),
        b'4'..=b'6' => Some("05"),
        _ => Some("01"),
    }
}

/// What every number in Benin got in front.
const BENIN_PREFIX: &str = "01";

/// With ten digits, as since 30 November 2024: every number of a person got 01 in front (allAfrica, "Bénin: Le format des
/// numéros de téléphone passe de huit à dix chiffres", on the plan of the regulator ARCEP). Numbers of services begin with 8 and kept eight digits (libphonenumber, metadata of BJ).
fn benin_canonical(national: &str) -> Option<String> {
    is_old_beninese(national).then(|| format!("{BENIN_PREFIX}{national}"))
}

fn benin_others(national: &str) -> Vec<String> {
    let old = national.strip_prefix(BENIN_PREFIX).filter(|old| is_old_beninese(old));
    old.map(str::to_owned).into_iter().collect()
}

fn is_old_beninese(national: &str) -> bool {
    national.len() == OLD_DIGITS && national.starts_with(['2', '4', '5', '6', '9'])
}
