use clap::Parser as _;

use super::*;

#[derive(clap::Parser)]
struct SendCommandLine {
    #[command(flatten)]
    flags: NotificationFlags,
    #[arg(long)]
    file: Option<String>,
}

fn made(flags: &str) -> Result<Value, String> {
    let words = std::iter::once("send").chain(flags.split(' '));
    let flags = SendCommandLine::try_parse_from(words).map_err(|error| error.to_string())?.flags;
    let request = flags.request(None).map_err(|error| error.describe())?;
    Ok(serde_json::from_str(&request.body).unwrap())
}

const TO: &str = "--to whatsapp:+14155550123 --category utility --id a";

#[test]
fn options_become_the_documented_notification() {
    let base = json!({"id": "a", "to": "+14155550123", "category": "utility"});
    let sid = "HX00000000000000000000000000000001";
    for (flags, content) in [
        ("--text Hello".to_owned(), json!({"type": "text", "body": "Hello"})),
        (
            "--media-url https://a.example/b.png --media-key k/1.png --caption Look --one-message-per-file".to_owned(),
            json!({"type": "media", "media": [{"url": "https://a.example/b.png"}, {"key": "k/1.png"}], "body": "Look",
                   "one_message_per_file": true}),
        ),
        (
            format!("--content-sid {sid} --variable 1=Ava --variable 2=a=b"),
            json!({"type": "template", "content_sid": sid, "variables": {"1": "Ava", "2": "a=b"}}),
        ),
        ("--template t --locale en".to_owned(), json!({"type": "template", "name": "t", "locale": "en"})),
    ] {
        let mut expected = base.clone();
        expected["content"] = content;
        assert_eq!(made(&format!("{TO} {flags}")).unwrap(), expected);
    }
    let fallback = r#"{"channel":"sms","content":{"type":"text","body":"x"}}"#;
    let more = made(&format!("{TO} --text Hi --metadata order=1 --fallback {fallback}")).unwrap();
    assert_eq!(more["metadata"], json!({"order": "1"}));
    assert_eq!(more["fallback"][0]["channel"], "sms");
}

#[test]
fn a_notification_without_an_id_gets_a_new_one() {
    let flags = "--to +14155550123 --category utility --text Hi";
    assert_ne!(made(flags).unwrap()["id"], made(flags).unwrap()["id"]);
}

#[test]
fn an_account_option_is_the_default_of_a_notification() {
    let (one, two) = ("AC00000000000000000000000000000001", "AC00000000000000000000000000000002");
    let named = |account_sid: Option<&str>| {
        let mut value = json!({"id": "a", "to": "+14155550123", "category": "utility",
                               "content": {"type": "text", "body": "Hi"}});
        if let Some(account_sid) = account_sid {
            value["account_sid"] = json!(account_sid);
        }
        let requests = of_file(&value.to_string(), Some(&one.parse().unwrap())).unwrap();
        requests[0].notification.account_sid.as_ref().map(ToString::to_string)
    };
    assert_eq!(named(None).as_deref(), Some(one));
    assert_eq!(named(Some(two)).as_deref(), Some(two));
}

#[test]
fn an_invalid_option_is_refused_with_its_field() {
    for (flags, expected) in [
        ("--to 0123 --category utility --text Hi", "to: expected an E.164 phone number"),
        ("--to +14155550123 --category news --text Hi", "category: expected marketing, utility"),
        ("--to +14155550123 --category utility", "content: missing, and required: say --text"),
        ("--to +14155550123 --category utility --text Hi --send-at now", "send_at: expected a time"),
        ("--to +14155550123 --category utility --text Hi --from +1", "from: expected a WhatsApp sender"),
        (
            "--to +14155550123 --category utility --template t --locale en --variable 1=",
            "content.variables.1: expected a text that is not empty",
        ),
        (
            &format!("--to +14155550123 --category utility --text Hi --metadata a={}", "x".repeat(230_000)),
            "metadata.a: expected a notification of at most 200000 bytes",
        ),
    ] {
        let error = made(flags).unwrap_err();
        assert!(error.starts_with(expected), "{flags}: {error}");
    }
    assert!(made(&format!("{TO} --text Hi --content-sid HX1")).unwrap_err().contains("cannot be used with"));
    assert!(made(&format!("{TO} --locale en")).unwrap_err().contains("--template"));
}

#[test]
fn a_file_holds_one_notification_an_array_or_lines() {
    let one = |id: &str| json!({"id": id, "to": "+14155550123", "category": "utility", "content": {"type": "text", "body": "Hi"}});
    let (a, b) = (one("a").to_string(), one("b").to_string());
    for (text, count) in
        [(a.clone(), 1), (format!("\u{feff}{a}"), 1), (format!("[{a}, {b}]"), 2), (format!("{a}\n{b}\n"), 2)]
    {
        assert_eq!(of_file(&text, None).ok().map(|found| found.len()), Some(count), "{text}");
    }
    for (text, expected) in [
        (String::new(), "--file: there is no notification in it"),
        (format!("{a}\n{{\"id\": "), "--file: expected JSON, it breaks off at line 2, column 7"),
        (format!("{a}\n{{\"id\": \"b\", \"id\": \"private\"}}"), "--file: id: given twice, again at line 2, column 16"),
        (format!("{a}\n{a}"), "nothing was queued:\n  notification 2: id: the same as that of notification 1"),
        (format!("{a}\n{{\"id\": \"c\"}}"), "nothing was queued:\n  notification 2: to: missing, and required"),
    ] {
        assert_eq!(of_file(&text, None).err().map(|error| error.describe()).as_deref(), Some(expected));
    }
}
