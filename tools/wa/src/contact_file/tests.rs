use domain::{consent::ConsentEvidence, notification::Category, preference::RecordedPreference, suppression::Scope};
use proptest::prelude::*;

use super::*;

const HEADER: &str = "address,action,scope,category,at,source,text,reason";

fn now() -> Timestamp {
    "2026-11-20T09:00:00Z".parse().unwrap()
}

fn problems(lines: &str) -> Vec<String> {
    let invalid = read(format!("{HEADER}\n{lines}").as_bytes(), now(), None).unwrap_err();
    invalid.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_is_parsed_line_by_line() {
    let text = "\u{feff}address,action,scope,category,at,source,text\r\n\
        +14155550123,suppress,,,2026-11-19T09:00:00.1239Z,,\r\n\
        whatsapp:+14155550123,unsuppress,marketing,,2026-11-19T09:00:00Z,letter,\r\n\
        +14155550124,consent,,marketing,2026-11-19T09:00:00Z,form,\"Offers, please\"\r\n\
        +14155550124,consent,,marketing,2026-11-19T09:00:00Z,form,\"Offers, please\"\r\n";
    let entries = read(text.as_bytes(), now(), None).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.line).collect::<Vec<_>>(), [2, 3, 4]);
    let ContactChange::Preference(Scope::All, first) = &entries[0].change else { panic!("the first line") };
    assert_eq!(first.changed_at.to_string(), "2026-11-19T09:00:00.123Z");
    let ContactChange::Preference(Scope::Marketing, second) = &entries[1].change else { panic!("the second line") };
    assert_eq!((second.preference, second.reason.as_deref()), (Preference::OptedIn, Some("letter")));
    let ContactChange::Consent(evidence) = &entries[2].change else { panic!("the third line") };
    assert_eq!((evidence.category, evidence.text.as_deref()), (Category::Marketing, Some("Offers, please")));
}

#[test]
fn each_invalid_line_is_named_with_its_column_and_problem() {
    for (line, expected) in [
        (",suppress,,,2026-11-19T09:00:00Z,,,", "line 2, address: missing, and required"),
        ("14155550123,suppress,,,2026-11-19T09:00:00Z,,,", "line 2, address: expected a number or a WhatsApp user id"),
        ("+14155550123,stop,,,2026-11-19T09:00:00Z,,,", "line 2, action: expected suppress, unsuppress,"),
        ("+14155550123,suppress,utility,,2026-11-19T09:00:00Z,,,", "line 2, scope: expected all, marketing,"),
        ("+14155550123,suppress,,,,,,", "line 2, at: missing, expected a time as in"),
        ("+14155550123,suppress,,,2026-11-21T09:00:00Z,,,", "line 2, at: expected a time as in"),
        ("+14155550123,suppress,,,yesterday,,,", "line 2, at: expected a time as in"),
        ("+14155550123,suppress,,marketing,2026-11-19T09:00:00Z,,,", "line 2, category: says nothing about suppress"),
        ("+14155550123,consent,,marketing,2026-11-19T09:00:00Z,form,,", "line 2, text: missing, and required"),
        ("+14155550123,consent,,news,2026-11-19T09:00:00Z,form,yes,", "line 2, category: expected marketing, utility"),
        (
            "+14155550123,consent,all,marketing,2026-11-19T09:00:00Z,form,yes,",
            "line 2, scope: says nothing about consent",
        ),
        ("+14155550123,suppress", "line 2, columns: expected 8 columns, as the header has, found 2"),
    ] {
        let found = problems(line);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{line}: {found:?}");
    }
    assert_eq!(problems("a b,,,,,,,\n+14155550123,,,,,,,\n").len(), 2);
    let headers = read(b"address,acton\n", now(), None).unwrap_err();
    let columns: Vec<_> = headers.iter().map(|invalid| invalid.column.as_str()).collect();
    assert_eq!(columns, ["acton", "action", "at"]);
}

#[test]
fn files_of_every_spreadsheet_are_read() {
    let expected =
        read(b"address,action,at,reason\n+14155550123,suppress,2026-11-19T09:00:00Z,a letter\n", now(), None).unwrap();
    for (name, file) in [
        ("semicolons", "address;action;at;reason\r\n+14155550123;suppress;2026-11-19T09:00:00Z;a letter\r\n"),
        (
            "a mark and quotes",
            "\u{feff}\"address\";\"action\";\"at\";\"reason\"\n\"+14155550123\";suppress;2026-11-19T09:00:00Z;a letter\n",
        ),
        ("tabs", "address\taction\tat\treason\n+14155550123\tsuppress\t2026-11-19T09:00:00Z\ta letter\n"),
        ("a number as text", "address,action,at,reason\n'+14155550123,suppress,2026-11-19T09:00:00Z,a letter\n"),
    ] {
        assert!(read(file.as_bytes(), now(), None).unwrap() == expected, "{name}");
    }
    let declared = "sep=;\r\naddress;action;at;reason\r\n+14155550123;suppress;2026-11-19T09:00:00Z;a letter\r\n";
    let [entry] = read(declared.as_bytes(), now(), None).unwrap().try_into().ok().unwrap();
    assert_eq!((entry.line, entry.change == expected[0].change), (3, true));
    let unknown = read(b"address;acton;at\n", now(), None).unwrap_err();
    assert!(unknown[0].to_string().starts_with("line 1, acton: there is no such column"), "{}", unknown[0]);
}

fn any_identity(patterns: [&'static str; 2]) -> impl Strategy<Value = Identity> {
    let [one, other] = patterns;
    prop_oneof![one, other].prop_map(|text| text.parse().unwrap())
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..1_700_000_000_000_i64).prop_map(|at| Timestamp::from_millisecond(at).unwrap())
}

fn any_preference(scope: impl Strategy<Value = Scope>, sid: &'static str) -> impl Strategy<Value = RecordedFact> {
    // As items of older versions are stored as well.
    let channel = prop_oneof!["whatsapp", "sms", "rcs", "messenger", "WhatsApp"];
    let scope = prop_oneof![Just(Scope::All), Just(Scope::Marketing), scope];
    let choice = prop_oneof![Just(Preference::OptedOut), Just(Preference::OptedIn)];
    let reason = prop::option::of("[a-z,;\"'=+@é\n-]{1,20}");
    (channel, scope, choice, any_time(), reason, sid).prop_map(
        |(channel, scope, preference, changed_at, reason, sid)| {
            let message_sid = (!sid.is_empty()).then(|| sid.parse().unwrap());
            let preference = RecordedPreference { preference, changed_at, message_sid, reason };
            RecordedFact::Preference { channel, scope, preference }
        },
    )
}

fn listed() -> impl Strategy<Value = ContactRecord> {
    let known = ["\\+1415555[0-9]{4}", "US\\.[0-9]{8,20}"];
    let by_operator = any_preference(Just(Scope::Sender("whatsapp:+14155238886".to_owned())), "");
    let text_version = prop::option::of("[a-z0-9.,=-]{1,20}");
    let consent = (any_time(), "[a-z, \"'=;é]{0,20}x", text_version).prop_map(|(at, text, text_version)| {
        let withdrawal = ConsentEvidence::withdrawal(Category::Marketing, at, "form", now());
        RecordedFact::Consent(ConsentEvidence { text: Some(text), text_version, ..withdrawal })
    });
    let of_known = (any_identity(known), prop_oneof![by_operator, consent]);
    // A message comes from any address, and is written to any sender.
    let sender = prop_oneof!["whatsapp:\\+1415523[0-9]{4}", "rcs:[a-z_]{3,20}", "\\+1415523[0-9]{4}", "[0-9]{5,6}"];
    let by_message = any_preference(sender.prop_map(Scope::Sender), "SM[0-9a-f]{32}");
    let anybody = prop_oneof![any_identity(known), any_identity(["[0-9]{3,6}", "[A-Za-z&:_-]{3,11}"])];
    prop_oneof![of_known, (anybody, by_message)].prop_map(|(identity, fact)| ContactRecord {
        identity,
        facet: "person".to_owned(),
        fact,
    })
}

proptest! {
    #[test]
    fn an_exported_line_is_imported_as_the_same(listed in listed()) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(CsvLine::of(listed.clone()).guarded()).unwrap();
        let entries = read(&writer.into_inner().unwrap(), now(), None).unwrap();
        prop_assert_eq!(&entries[0].person.identity, &listed.identity);
        match (&entries[0].change, &listed.fact) {
            (ContactChange::Preference(scope, read), RecordedFact::Preference { channel, scope: listed, preference }) => {
                prop_assert_eq!((scope, read), (listed, preference));
                prop_assert_eq!(&entries[0].person.channel, &stored_channel(channel));
            }
            (ContactChange::Consent(read), RecordedFact::Consent(listed)) => prop_assert_eq!(read, listed),
            _ => prop_assert!(false, "a preference is not a consent"),
        }
    }
}
