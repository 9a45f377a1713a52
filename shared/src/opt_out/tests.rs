use proptest::prelude::*;

use super::*;

fn keyword(text: &str) -> Option<Keyword> {
    match classify(text, &Languages::default()) {
        Match::Whole(keyword, _) => Some(keyword),
        Match::NearMiss(_) | Match::No => None,
    }
}

#[test]
fn twilios_own_words_count() {
    for word in ["STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"] {
        assert_eq!(keyword(word), Some(Keyword::Stop), "{word}");
    }
    for word in ["START", "UNSTOP", "YES"] {
        assert_eq!(keyword(word), Some(Keyword::Start), "{word}");
    }
    for word in ["HELP", "INFO"] {
        assert_eq!(keyword(word), Some(Keyword::Help), "{word}");
    }
    assert_eq!(keyword("SUBSCRIBE"), None);
}

#[test]
fn spelling_case_accents_width_and_decoration_do_not_matter() {
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
        "¡Baja!",
        "توقف",
        "إيقاف.",
        "توقـف",
        "تَوَقَّفْ",
        "बंद करो",
        "बन्द",
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
    ];
    for text in stops {
        assert_eq!(keyword(text), Some(Keyword::Stop), "{text:?}");
    }
}

#[test]
fn sentences_and_ordinary_answers_do_not_count() {
    let others = [
        "",
        "   ",
        "🛑",
        "stop, the parcel never came",
        "STOP 12345",
        "don't stop",
        "stopping by",
        "please stop",
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
    assert_eq!(keyword(&format!("STOP{}", "!".repeat(500))), None, "longer than anybody's keyword");
}

#[test]
fn a_vowel_makes_another_word() {
    for text in ["रुको", "रुकें", "बाद", "बंदी", "शोर", "शेर", "मुद्दा"]
    {
        assert_eq!(classify(text, &Languages::default()), Match::No, "{text}");
    }
}

#[test]
fn a_stop_word_among_others_is_marked_for_a_person() {
    let marked = ["stop, the parcel never came", "STOP 12345", "Cancel my order", "please stop writing", "don't stop"];
    for text in marked {
        assert_eq!(classify(text, &Languages::default()), Match::NearMiss(Language::English), "{text}");
    }
    for text in ["stopping by", "nonstop", "STOP2END", "start at nine", "s t o p"] {
        assert_eq!(classify(text, &Languages::default()), Match::No, "{text}");
    }
}

#[test]
fn only_configured_languages_count_and_answer_in_their_own() {
    let english: Languages = "en".parse().unwrap();
    assert_eq!(classify("PARAR", &english), Match::No);
    let spanish: Languages = "en, es".parse().unwrap();
    assert_eq!(classify("PARAR", &spanish), Match::Whole(Keyword::Stop, Language::Spanish));
    assert_eq!(classify("cancel", &"es".parse().unwrap()), Match::No);
    assert_eq!("en,xx".parse::<Languages>(), Err(UnknownLanguage("xx".to_owned())));
    assert!("".parse::<Languages>().is_err());
}

#[test]
fn twilios_unremovable_words_count_in_every_language_and_are_answered_in_the_first() {
    for (list, first) in [("es", Language::Spanish), ("fr,en", Language::French), ("en,fr", Language::English)] {
        let languages: Languages = list.parse().unwrap();
        assert_eq!(classify("Stop", &languages), Match::Whole(Keyword::Stop, first), "{list}");
        assert_eq!(classify("START", &languages), Match::Whole(Keyword::Start, first), "{list}");
    }
}

#[test]
fn every_language_has_its_words_and_a_confirmation_that_fits_a_message() {
    for language in Language::ALL {
        for (keyword, word) in words::of(language).all() {
            let alone: Languages = [language].into_iter().collect();
            assert_eq!(classify(word, &alone), Match::Whole(keyword, language), "{word}");
        }
        assert!(language.opt_out_confirmation().chars().count() < crate::limits::MAX_BODY_CHARS);
        assert!(!language.opt_out_confirmation().contains(['<', '&', '>']));
        let alone = [language].into_iter().collect();
        let words = language.opt_out_confirmation().split([' ', '.', ',']);
        let named = words.filter(|word| matches!(classify(word, &alone), Match::Whole(Keyword::Start, _))).count();
        assert_eq!(named, 1, "the confirmation names one word that lifts it: {}", language.opt_out_confirmation());
    }
}

#[test]
fn no_word_means_two_things() {
    for (keyword, word) in Language::ALL.into_iter().flat_map(|language| words::of(language).all()) {
        assert_eq!(super::tests::keyword(word), Some(keyword), "{word}");
    }
}

proptest! {
    #[test]
    fn any_text_is_classified(text in any::<String>()) {
        classify(&text, &Languages::default());
    }

    #[test]
    fn normalising_twice_is_normalising_once(text in any::<String>()) {
        let once = padded(text.chars());
        prop_assert_eq!(padded(once.chars()), once);
    }
}
