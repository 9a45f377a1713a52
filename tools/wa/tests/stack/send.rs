//! `wa send`

use crate::operator::{Running, new_id, new_number, notification, sent_to, until, wa, wa_reading, write};

#[test]
fn a_notification_from_flags_is_followed_until_the_person_has_it() {
    let to = new_number();
    let template = ["--template", "order_update", "--locale", "en", "--variable", "1=Ava", "--variable", "2=18473"];
    let flags = ["send", "--to", &to, "--category", "utility", "--wait", "--output", "json"];
    let ran = wa(&[&flags[..], &template[..]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    // Each change was told on the way.
    assert!(ran.stderr.contains("accepted"), "{ran:?}");
    let end = ran.json();
    assert_eq!((&end["state"], &end["recipient"]), (&"accepted".into(), &to.clone().into()));
    assert_eq!(sent_to(&to).len(), 1);
}

#[test]
fn what_does_not_reach_the_person_ends_with_a_no() {
    let to = new_number();
    // Free-form, and nobody wrote: WhatsApp wants a template.
    let flags = ["send", "--to", &to, "--category", "utility", "--text", "Hello", "--wait"];
    let told = wa(&flags).failed(1);
    assert!(told.contains("rejected") && told.contains("1 of 1 did not reach the recipient"), "{told}");
    assert!(sent_to(&to).is_empty());
}

#[test]
fn an_end_that_does_not_come_in_time_is_no_answer() {
    let to = new_number();
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    let flags = ["send", "--to", &to, "--category", "utility", "--text", "Hello", "--send-at", &later];
    let told = wa(&[&flags[..], &["--wait", "--timeout", "1"]].concat()).failed(5);
    assert!(told.contains("wa notifications show"), "{told}");
}

#[test]
fn many_are_sent_only_when_that_is_meant_and_bad_ones_not_at_all() {
    let (one, two) = (new_number(), new_number());
    let lines = [(&one, "a"), (&two, "b")].map(|(to, name)| notification(&new_id(name), to).to_string()).join("\n");
    let send = ["send", "--file", "-"];
    let told = wa_reading(&send, &lines).failed(2);
    assert!(told.contains("Send 2 notifications?") && told.contains("--yes"), "{told}");
    let told = wa_reading(&[&send[..], &["--yes"]].concat(), &format!("{lines}\n{{\"id\": \"c\"}}")).failed(2);
    assert!(told.contains("notification 3: to: missing, and required"), "{told}");
    assert!(sent_to(&one).is_empty(), "nothing was queued");
    let done = wa_reading(&[&send[..], &["--yes", "--output", "tsv"]].concat(), &lines).done();
    assert_eq!(done.lines().filter(|line| line.ends_with("\tqueued")).count(), 2, "{done}");
    for to in [one, two] {
        until("the message", || (sent_to(&to).len() == 1).then_some(()));
    }
}

#[test]
fn bad_input_is_refused_with_its_field() {
    let told = wa(&["send", "--to", "0415", "--category", "utility", "--text", "Hello"]).failed(2);
    assert!(told.contains("error: to: expected an E.164 phone number"), "{told}");
    let told = wa(&["send", "--to", "+14155550123", "--category", "utility"]).failed(2);
    assert!(told.contains("content: missing"), "{told}");
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
    let told = send("Ben").failed(2);
    assert!(told.contains(&format!("id: {id} was used before")), "{told}");
    assert_eq!(sent_to(&to).len(), 1);
}

#[test]
fn ctrl_c_ends_it() {
    let to = new_number();
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    let flags = ["send", "--to", &to, "--category", "utility", "--text", "Hi", "--send-at", &later, "--wait"];
    let running = Running::start_listening_to_notes(&flags);
    running.line(|line| line.contains("on the queue"));
    assert_eq!(running.interrupt(), 130);
}
