use super::*;
use crate::opt_out_keywords::{KeywordMatch, classify};

fn configured(languages: &str, changes: &str) -> Result<Keywords, InvalidKeywords> {
    Keywords::configured(&languages.parse().unwrap(), &changes.parse()?)
}

fn typed(text: &str, keywords: &Keywords) -> KeywordMatch {
    classify(text, KeywordCertainty::Typed, keywords)
}

#[test]
fn added_word_decides_and_a_removed_one_does_not() {
    let changes = r#"{"es": {"stop": {"add": ["¡No quiero más!", "CANCELAR"], "remove": ["PARAR"]},
        "start": {"add": ["VOLVER"]}, "help": {"add": ["SOPORTE"]}, "stop_marketing": {"add": ["SIN OFERTAS"]}}}"#;
    let keywords = configured("es,pt,en", changes).unwrap();
    let is = |keyword| KeywordMatch::Whole(keyword, Language::Spanish);
    assert_eq!(typed("no quiero mas", &keywords), is(Keyword::Stop));
    assert_eq!(typed("Cancelar", &keywords), is(Keyword::Stop), "an ordinary word becomes one that decides");
    assert_eq!(typed("volver", &keywords), is(Keyword::Start));
    assert_eq!(typed("soporte", &keywords), is(Keyword::Help));
    assert_eq!(typed("sin ofertas", &keywords), is(Keyword::StopMarketing));
    let label = classify("Sin ofertas", KeywordCertainty::Everywhere, &keywords);
    assert_eq!(label, is(Keyword::StopMarketing), "the label of Meta's button in another language");
    assert_eq!(typed("parar", &keywords), KeywordMatch::NoKeyword, "Portuguese has the word as well");
    assert_eq!(typed("stop", &keywords), is(Keyword::Stop));
}

#[test]
fn words_that_another_version_may_know_are_no_errors() {
    let changes = r#"{"en": {"stop": {"add": ["QUIT", "quit"], "remove": ["NO SUCH WORD"]}}}"#;
    let keywords = configured("en", changes).unwrap();
    assert_eq!(typed("quit", &keywords), KeywordMatch::Whole(Keyword::Stop, Language::English));
    assert_eq!(configured("en", "{}").unwrap(), Keywords::of(&"en".parse().unwrap()));
}

#[test]
fn invalid_keywords_are_named_with_their_language() {
    let long = format!(r#"{{"en": {{"stop": {{"add": ["{}"]}}}}}}"#, "é".repeat(61));
    let shown = format!("en.stop.add: {:?}...: expected a word of at most 60 characters", "é".repeat(60));
    let unremovable = "STOP, START, UNSTOP, HELP and the word that the language's confirmation names cannot be removed";
    let cases = [
        ("[]", "body: expected a JSON object with words by language".to_owned()),
        ("{", "body: expected JSON, it breaks off at line 1, column 1".to_owned()),
        (r#"{"xx": {}}"#, format!("body: {}", "xx".parse::<Language>().unwrap_err())),
        (r#"{"es": []}"#, "es: expected an object with stop, stop_marketing, start or help".to_owned()),
        (
            r#"{"es": {"end": {}}}"#,
            "es.end: unknown field, expected one of stop, stop_marketing, start, help".to_owned(),
        ),
        (r#"{"es": {"stop": ["A"]}}"#, "es.stop: expected an object with add or remove".to_owned()),
        (r#"{"es": {"stop": {"added": []}}}"#, "es.stop.added: unknown field, expected one of add, remove".to_owned()),
        (r#"{"es": {"stop": {"add": "A"}}}"#, "es.stop.add: expected a list of words".to_owned()),
        (
            r#"{"es": {"stop": {"add": ["!!\n"]}}}"#,
            r#"es.stop.add: "!!\n": expected a word with a letter or a digit"#.to_owned(),
        ),
        (&long, shown),
        (r#"{"es": {"stop": {"remove": ["Stop."]}}}"#, format!(r#"es.stop.remove: "Stop.": {unremovable}"#)),
        (r#"{"es": {"start": {"remove": ["UNSTOP"]}}}"#, format!(r#"es.start.remove: "UNSTOP": {unremovable}"#)),
        (r#"{"es": {"start": {"remove": ["START"]}}}"#, format!(r#"es.start.remove: "START": {unremovable}"#)),
        (r#"{"es": {"help": {"remove": ["HELP"]}}}"#, format!(r#"es.help.remove: "HELP": {unremovable}"#)),
        (r#"{"es": {"start": {"remove": ["reanudar"]}}}"#, format!(r#"es.start.remove: "reanudar": {unremovable}"#)),
        (
            r#"{"es": {"start": {"add": ["PARAR"]}}}"#,
            r#"es.start.add: "PARAR": it is a word of another list already"#.to_owned(),
        ),
        (
            r#"{"fr": {"stop": {"add": ["ASSEZ"]}}}"#,
            r#"fr.stop.add: "ASSEZ": the language is not one of the configured languages"#.to_owned(),
        ),
    ];
    for (changes, expected) in cases {
        let error = configured("en,es", changes).unwrap_err().to_string();
        assert_eq!(error, expected, "{changes}");
    }
}
