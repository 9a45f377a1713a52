//! `wa send`

use crate::operator::{Running, new_id, new_number, notification, sent_to, until, wa, wa_reading, write};

#[test]
fn a_notification_from_flags_is_followed_until_the_person_has_it() {
    let to = new_number();
    let template = ["--template", "order_update", "--locale", "en", "--variable", "1=Ava", "--variable", "2=18473"];
    let flags = ["send", "--to", &to, "--category", "utility", "--wait", "--output", "json"];
    let ran = wa(&[&flags[..], &template[..]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    // Each change was said on the way.
    assert!(ran.stderr.contains("accepted"), "{ran:?}");
    let mut documents = serde_json::Deserializer::from_str(&ran.stdout).into_iter::<serde_json::Value>();
    let queued = documents.next().unwrap().unwrap();
    assert_eq!((&queued["outcome"], &queued["to"]), (&"queued".into(), &to.clone().into()));
    let end = documents.next().unwrap().unwrap();
    assert_eq!((&end["state"], &end["id"]), (&"accepted".into(), &queued["id"]));
    assert_eq!(sent_to(&to).len(), 1);
}

#[test]
fn what_does_not_reach_the_person_ends_with_a_no() {
    let to = new_number();
    // Free-form, and nobody wrote: WhatsApp wants a template.
    let flags = ["send", "--to", &to, "--category", "utility", "--text", "Hello", "--wait"];
    let said = wa(&flags).failed(1);
    assert!(said.contains("rejected") && said.contains("1 of 1 did not reach the recipient"), "{said}");
    assert!(sent_to(&to).is_empty());
}

#[test]
fn an_end_that_does_not_come_in_time_is_no_answer() {
    let to = new_number();
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    let flags = ["send", "--to", &to, "--category", "utility", "--text", "Hello", "--send-at", &later];
    let said = wa(&[&flags[..], &["--wait", "--timeout", "1"]].concat()).failed(5);
    assert!(said.contains("wa notifications show"), "{said}");
}

#[test]
fn many_are_sent_only_when_that_is_meant_and_bad_ones_not_at_all() {
    let (one, two) = (new_number(), new_number());
    let lines = [(&one, "a"), (&two, "b")].map(|(to, name)| notification(&new_id(name), to).to_string()).join("\n");
    let send = ["send", "--file", "-"];
    let said = wa_reading(&send, &lines).failed(2);
    assert!(said.contains("Send 2 notifications?") && said.contains("--yes"), "{said}");
    let said = wa_reading(&[&send[..], &["--yes"]].concat(), &format!("{lines}\n{{\"id\": \"c\"}}")).failed(2);
    assert!(said.contains("notification 3: to: missing, and required"), "{said}");
    assert!(sent_to(&one).is_empty(), "nothing was queued");
    let done = wa_reading(&[&send[..], &["--yes", "--output", "tsv"]].concat(), &lines).done();
    assert_eq!(done.lines().filter(|line| line.ends_with("\tqueued")).count(), 2, "{done}");
    for to in [one, two] {
        until("the message", || (sent_to(&to).len() == 1).then_some(()));
    }
}

#[test]
fn bad_input_is_refused_with_its_field() {
    let said = wa(&["send", "--to", "0415", "--category", "utility", "--text", "Hello"]).failed(2);
    assert!(said.contains("error: to: expected an E.164 phone number"), "{said}");
    let said = wa(&["send", "--to", "+14155550123", "--category", "utility"]).failed(2);
    assert!(said.contains("content: missing"), "{said}");
}

#[test]
fn a_dry_run_says_what_would_be_decided_and_why_and_writes_nothing() {
    let to = new_number();
    let dry = |more: &[&str]| wa(&[&["send", "--to", &to, "--dry-run", "--output", "json"][..], more].concat());
    let text = ["--category", "utility", "--text", "Hello"];
    let from = ["--from", "whatsapp:+14155238886"];
    let ran = dry(&text);
    assert_eq!(ran.code, 1);
    let refused: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(refused["decision"], "refuse");
    assert!(refused["reason"].as_str().unwrap().starts_with("content: free-form outside"), "{refused}");

    let marketing = dry(&["--category", "marketing", "--content-sid", sandbox::ORDER_UPDATE_SID]);
    assert!(marketing.stdout.contains("no living consent"), "{marketing:?}");

    // The way that is open is named.
    let fallback = format!(
        r#"{{"channel": "whatsapp", "content": {{"type": "template", "content_sid": "{}"}}}}"#,
        sandbox::ORDER_UPDATE_SID
    );
    let way = dry(&[&text[..], &["--fallback", &fallback]].concat()).json();
    assert_eq!((&way["decision"], &way["way"]["route"]), (&"send".into(), &1.into()), "{way}");

    // The person writes, and the window is open.
    write(&to, "Hello?");
    let open = until("the window", || {
        let preview = dry(&[&text[..], &from[..]].concat());
        (preview.code == 0).then(|| preview.json())
    });
    assert_eq!((&open["way"]["route"], &open["way"]["content"]), (&0.into(), &"text".into()), "{open}");
    assert!(open["facts"]["window_open_until"].is_string(), "{open}");

    // The person has had enough.
    write(&to, "STOP");
    let stopped = until("the suppression", || {
        let preview = dry(&[&text[..], &from[..]].concat());
        (preview.code == 1).then_some(preview)
    });
    assert!(stopped.stdout.contains("the recipient has opted out"), "{stopped:?}");
    assert!(sent_to(&to).is_empty());
}

#[test]
fn an_id_is_not_followed_to_the_end_of_something_else() {
    let (to, id) = (new_number(), new_id("reused"));
    let send = |name: &str| {
        let variable = format!("1={name}");
        let flags = ["send", "--id", &id, "--to", &to, "--category", "utility", "--content-sid"];
        wa(&[&flags[..], &[sandbox::ORDER_UPDATE_SID, "--variable", &variable, "--wait"]].concat())
    };
    send("Ava").done();
    let said = send("Ben").failed(2);
    assert!(said.contains(&format!("id: {id} was used before")), "{said}");
    assert_eq!(sent_to(&to).len(), 1);
}

#[test]
fn ctrl_c_ends_it() {
    let to = new_number();
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    let flags = ["send", "--to", &to, "--category", "utility", "--text", "Hi", "--send-at", &later, "--wait"];
    let running = Running::start(&flags);
    running.line(|line| line.contains("queued"));
    assert_eq!(running.interrupt(), 130);
}
