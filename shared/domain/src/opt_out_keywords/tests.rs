use proptest::prelude::*;

use super::*;

/// What a typed text is.
fn typed(text: &str, keywords: &Keywords) -> KeywordMatch {
    classify(text, KeywordCertainty::Typed, keywords)
}

/// The keywords of languages, as in `en,es`.
fn keywords_of(languages: &str) -> Keywords {
    Keywords::of(&languages.parse().unwrap())
}

fn keyword_where(certainty: KeywordCertainty, text: &str) -> Option<Keyword> {
    match classify(text, certainty, &Keywords::default()) {
        KeywordMatch::Whole(keyword, _) => Some(keyword),
        KeywordMatch::PossibleOptOut(_) | KeywordMatch::NoKeyword => None,
    }
}

fn keyword(text: &str) -> Option<Keyword> {
    keyword_where(KeywordCertainty::Typed, text)
}

#[test]
fn twilios_keywords_are_keywords() {
    for word in ["STOP", "UNSUBSCRIBE", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"] {
        assert_eq!(keyword(word), Some(Keyword::Stop), "{word}");
    }
    for word in ["STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"] {
        assert_eq!(
            keyword_where(KeywordCertainty::InTextMessage, word),
            Some(Keyword::Stop),
            "{word} in a text message"
        );
    }
    for word in ["START", "UNSTOP"] {
        assert_eq!(keyword(word), Some(Keyword::Start), "{word}");
    }
    for word in ["HELP", "INFO"] {
        assert_eq!(keyword(word), Some(Keyword::Help), "{word}");
    }
    assert_eq!(keyword("SUBSCRIBE"), None);
}

#[test]
fn case_accents_width_and_decoration_do_not_matter() {
    let stops = [
        "stop",
        "Stop.",
        " STOP ",
        "STOP!!!",
        "*STOP*",
        "_stop_",
        "\"stop\"",
        "STOP ALL",
        "stop\n all",
        "STOP\u{a0}ALL",
        "ＳＴＯＰ",
        "🛑 stop 🛑",
        "s\u{200b}top",
        "\u{feff}stop",
        "PARAR",
        "arrêt",
        "ARRET",
        "arre\u{302}t",
        "Désabonner",
        "AUFHÖREN",
        "aufhoren",
        "¡Dar de baja!",
        "توقف",
        "إيقاف.",
        "توقـف",
        "تَوَقَّفْ",
        "बंद करो",
        "बन्द करो",
        "opt-out",
        "Opt.Out",
        "s\u{20dd}t\u{20dd}o\u{20dd}p\u{20dd}",
        "Ⓢⓣⓞⓟ",
        "𝗦𝗧𝗢𝗣",
        "🅂🅃🄾🄿",
        "~STOP~ 🙏🏽",
        "(stop all)",
        "ＰＡＲＡＲ！",
        "ARRÊT.",
        "please stop",
        "Stop, please! 🙏",
        "Bitte STOP",
        "S T O P",
        "s.t.o.p.",
        "S-T-O-P",
        "P A R A R",
        "ت و ق ف",
        "STOOOOP",
        "stopppp!!",
        "ЅТОР",
        "ѕtоp",
        "SΤΟΡ ΑLL",
        "ꜱᴛᴏᴘ",
        "🅢🅣🅞🅟",
        "🆂🆃🅾🅿",
        "🇺🇸 STOP 🇺🇸",
    ];
    for text in stops {
        assert_eq!(keyword(text), Some(Keyword::Stop), "{text:?}");
    }
}

#[test]
fn sentences_and_ordinary_answers_are_no_keywords() {
    let others = [
        "",
        "   ",
        "🛑",
        "stop, the parcel never came",
        "STOP 12345",
        "don't stop",
        "stopping by",
        "please stop the delivery",
        "no",
        "nein",
        "fin",
        "Where is my order?",
        "end of the month",
        "yes please",
        "start at nine",
    ];
    for text in others {
        assert_eq!(keyword(text), None, "{text:?}");
    }
    assert_eq!(keyword(&format!("STOP{}", "!".repeat(500))), None, "longer than any keyword");
}

#[test]
fn another_vowel_sign_is_another_word() {
    for text in ["रुको", "रुकें", "बाद", "बंदी", "शोर", "शेर", "मुद्दा"]
    {
        assert_eq!(typed(text, &Keywords::default()), KeywordMatch::NoKeyword, "{text}");
    }
}

#[test]
fn a_stop_word_among_others_is_a_possible_opt_out() {
    let marked = ["stop, the parcel never came", "STOP 12345", "Cancel my order", "please stop writing", "don't stop"];
    for text in marked {
        assert_eq!(typed(text, &Keywords::default()), KeywordMatch::PossibleOptOut(Language::English), "{text}");
    }
    for text in ["stopping by", "nonstop", "STOP2END", "start at nine", "st op"] {
        assert_eq!(typed(text, &Keywords::default()), KeywordMatch::NoKeyword, "{text}");
    }
}

#[test]
fn only_keywords_of_configured_languages_count() {
    let english = keywords_of("en");
    assert_eq!(typed("PARAR", &english), KeywordMatch::NoKeyword);
    let spanish = keywords_of("en, es");
    assert_eq!(typed("PARAR", &spanish), KeywordMatch::Whole(Keyword::Stop, Language::Spanish));
    assert_eq!(typed("cancel", &keywords_of("es")), KeywordMatch::NoKeyword);
    assert_eq!("en,xx".parse::<Languages>(), Err(UnknownLanguage("xx".to_owned())));
    assert!("".parse::<Languages>().is_err());
}

#[test]
fn unremovable_words_belong_to_the_first_language() {
    for (list, first) in [("es", Language::Spanish), ("fr,en", Language::French), ("en,fr", Language::English)] {
        let keywords = keywords_of(list);
        assert_eq!(typed("Stop", &keywords), KeywordMatch::Whole(Keyword::Stop, first), "{list}");
        assert_eq!(typed("START", &keywords), KeywordMatch::Whole(Keyword::Start, first), "{list}");
    }
}

#[test]
fn every_language_has_keywords_and_a_short_confirmation() {
    for language in Language::ALL {
        let alone = keywords_of(language.code());
        for (keyword, certainty, word) in words::of(language).all() {
            assert_eq!(classify(word, certainty, &alone), KeywordMatch::Whole(keyword, language), "{word}");
        }
        let named = [language.opt_out_confirmation(), language.marketing_opt_out_confirmation()].map(|confirmation| {
            assert!(confirmation.chars().count() < twilio_types::limits::MAX_BODY_CHARS);
            assert!(!confirmation.contains(['<', '&', '>']));
            let lifts = |word: &&str| matches!(typed(word, &alone), KeywordMatch::Whole(Keyword::Start, _));
            let named: Vec<_> = confirmation.split([' ', '.', ',']).filter(lifts).collect();
            assert_eq!(named.len(), 1, "the confirmation names one word that lifts it: {confirmation}");
            named[0]
        });
        assert_eq!(named[0], named[1], "both confirmations name the same word");
    }
}

#[test]
fn words_and_phrases_are_in_the_normal_spelling() {
    let is_normal = |word: &str| padded(word.chars()).trim_ascii() == word;
    for language in Language::ALL {
        let words = words::of(language);
        let spellings = words.all().map(|(_, _, word)| word).chain(words.polite.iter().copied());
        for word in spellings {
            assert!(is_normal(word), "{word} is compared as {:?}", padded(word.chars()));
        }
        for phrase in Phrase::of(language) {
            let elements = phrase.elements().flat_map(|element| element.split('/'));
            for word in
                elements.map(|word| word.trim_end_matches('*')).filter(|word| !["..", "...", "$"].contains(word))
            {
                assert!(is_normal(word), "{word:?} in {phrase:?}");
            }
        }
    }
}

#[test]
fn phrase_is_found_in_any_sentence_and_decides_nothing() {
    let marked = KeywordMatch::PossibleOptOut(Language::English);
    for text in [
        "please remove me",
        "Hello! Would you please lose my number? Thanks",
        "I do not want to get any of your messages",
        "DON'T TEXT ME",
        "this number is not his any more and so please delete it",
    ] {
        assert_eq!(typed(text, &keywords_of("en")), marked, "{text}");
    }
    for text in ["I lost my way", "a number of people", "do not forget me", "remove the onions", "I do not want to go"]
    {
        assert_eq!(typed(text, &keywords_of("en")), KeywordMatch::NoKeyword, "{text}");
    }
    assert_eq!(typed("please remove me", &keywords_of("es")), KeywordMatch::NoKeyword, "a phrase of another language");
}

#[test]
fn single_word_on_a_button_is_no_phrase() {
    for (label, found) in [("Abmelden", false), ("Abmeldung Kurs", false), ("Bitte nicht mehr schreiben", true)] {
        assert_eq!(unmistakable_stop(label, &keywords_of("de")).is_some(), found, "{label}");
    }
}

#[test]
fn question_with_an_ordinary_keyword_is_marked() {
    for text in ["Parar?", "¿Parar?", "cancel?"] {
        assert!(matches!(typed(text, &Keywords::default()), KeywordMatch::PossibleOptOut(_)), "{text}");
    }
    assert_eq!(keyword("STOP?"), Some(Keyword::Stop));
    assert_eq!(keyword("Start?"), None, "no consent");
}

#[test]
fn no_word_means_two_things() {
    for (keyword, certainty, word) in Language::ALL.into_iter().flat_map(|language| words::of(language).all()) {
        assert_eq!(keyword_where(certainty, word), Some(keyword), "{word}");
    }
}

#[test]
fn ordinary_words_for_stopping_are_marked_for_a_person() {
    for (word, language) in [
        ("end", Language::English),
        ("Alto", Language::Spanish),
        ("¡Baja!", Language::Spanish),
        ("बंद", Language::Hindi),
        ("बन्द", Language::Hindi),
        ("الغاء", Language::Arabic),
        ("إلغاء", Language::Arabic),
        ("Cancelar", Language::Spanish),
        ("remover", Language::Portuguese),
        ("Annulla", Language::Italian),
        ("cancella", Language::Italian),
        ("Basta!", Language::Spanish),
    ] {
        assert_eq!(typed(word, &Keywords::default()), KeywordMatch::PossibleOptOut(language), "{word}");
    }
}

#[test]
fn ordinary_words_for_beginning_lift_nothing() {
    let words =
        ["yes", "Alta", "reativar", "Anmelden", "Inizia", "Aanmelden", "Mulai", "शुरू", "शुरू करें", "ابدأ", "اشتراك"];
    for word in words {
        assert_eq!(typed(word, &Keywords::default()), KeywordMatch::NoKeyword, "{word}");
    }
}

#[test]
fn a_word_decides_where_its_certainty_suffices() {
    use KeywordCertainty::{Everywhere, InTextMessage, Nowhere, Typed};
    for (word, certain) in [
        ("unsubscribe", vec![Nowhere, InTextMessage, Typed, Everywhere]),
        ("cancel", vec![Nowhere, InTextMessage, Typed]),
        ("end", vec![Nowhere, InTextMessage]),
        ("baja", vec![Nowhere]),
    ] {
        let places = [Nowhere, InTextMessage, Typed, Everywhere].into_iter();
        let decides: Vec<_> = places.filter(|place| keyword_where(*place, word).is_some()).collect();
        assert_eq!(decides, certain, "{word}");
    }
}

proptest! {
    #[test]
    fn any_text_is_classified_without_panic(text in any::<String>()) {
        classify(&text, KeywordCertainty::Typed, &Keywords::default());
    }

    #[test]
    fn normalising_twice_changes_nothing(text in any::<String>()) {
        let once = padded(text.chars());
        prop_assert_eq!(padded(once.chars()), once);
    }
}
