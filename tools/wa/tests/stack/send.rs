//! `wa send`

use crate::operator::{
    RunningCommand, new_id, new_number, notification, sandbox, sent_to, until, wa, wa_reading, write,
};

#[test]
fn a_notification_from_options_is_followed_until_it_arrives() {
    let to = new_number();
    let template = ["--template", "order_update", "--locale", "en", "--variable", "1=Ava", "--variable", "2=18473"];
    let flags = ["send", "--to", &to, "--category", "utility", "--wait", "--output", "json"];
    let ran = wa(&[&flags[..], &template[..]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    // Each change was noted on the way.
    assert!(ran.stderr.contains("accepted"), "{ran:?}");
    let end = ran.json();
    assert_eq!((&end["state"], &end["recipient"]), (&"accepted".into(), &to.clone().into()));
    assert_eq!(sent_to(&to).len(), 1);
}

#[test]
fn a_notification_that_does_not_arrive_ends_with_code_1() {
    let to = new_number();
    // Free-form without an open window: WhatsApp requires a template.
    let flags = ["send", "--to", &to, "--category", "utility", "--text", "Hello", "--wait"];
    let stderr = wa(&flags).failed(1);
    assert!(stderr.contains("rejected") && stderr.contains("1 of 1 did not reach the recipient"), "{stderr}");
    assert!(sent_to(&to).is_empty());
}

#[test]
fn an_outcome_that_does_not_come_in_time_is_no_answer() {
    let to = new_number();
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    let flags = ["send", "--to", &to, "--category", "utility", "--text", "Hello", "--send-at", &later];
    let stderr = wa(&[&flags[..], &["--wait", "--timeout", "1"]].concat()).failed(5);
    assert!(stderr.contains("wa notifications show"), "{stderr}");
}

#[test]
fn many_notifications_need_a_yes_and_no_invalid_one() {
    let (one, two) = (new_number(), new_number());
    let lines = [(&one, "a"), (&two, "b")].map(|(to, name)| notification(&new_id(name), to).to_string()).join("\n");
    let send = ["send", "--file", "-"];
    let stderr = wa_reading(&send, &lines).failed(2);
    assert!(stderr.contains("Send 2 notifications?") && stderr.contains("--yes"), "{stderr}");
    let stderr = wa_reading(&[&send[..], &["--yes"]].concat(), &format!("{lines}\n{{\"id\": \"c\"}}")).failed(2);
    assert!(stderr.contains("notification 3: to: missing, and required"), "{stderr}");
    assert!(sent_to(&one).is_empty(), "nothing was queued");
    let done = wa_reading(&[&send[..], &["--yes", "--output", "tsv"]].concat(), &lines).done();
    assert_eq!(done.lines().filter(|line| line.ends_with("\tqueued")).count(), 2, "{done}");
    for to in [one, two] {
        until("the message", || (sent_to(&to).len() == 1).then_some(()));
    }
}

#[test]
fn invalid_input_is_refused_with_its_field() {
    let stderr = wa(&["send", "--to", "0415", "--category", "utility", "--text", "Hello"]).failed(2);
    assert!(stderr.contains("error: to: expected an E.164 phone number"), "{stderr}");
    let stderr = wa(&["send", "--to", "+14155550123", "--category", "utility"]).failed(2);
    assert!(stderr.contains("content: missing"), "{stderr}");
}

#[test]
fn a_dry_run_shows_the_decision_and_writes_nothing() {
    let to = new_number();
    let dry = |more: &[&str]| wa(&[&["send", "--to", &to, "--dry-run", "--output", "json"][..], more].concat());
    let text = ["--category", "utility", "--text", "Hello"];
    let from = ["--from", "whatsapp:+14155238886"];
    let ran = dry(&text);
    assert_eq!(ran.code, 1);
    let refused: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(refused["decision"], "refuse");
    assert!(refused["reason"].as_str().unwrap().starts_with("content: free-form outside"), "{refused}");

    let marketing = dry(&["--category", "marketing", "--content-sid", ::sandbox::ORDER_UPDATE_SID]);
    assert!(marketing.stdout.contains("no living consent"), "{marketing:?}");

    // The fallback that could be sent is named.
    let fallback = format!(
        r#"{{"channel": "whatsapp", "content": {{"type": "template", "content_sid": "{}",
             "variables": {{"1": "Ava", "2": "18473"}}}}}}"#,
        ::sandbox::ORDER_UPDATE_SID
    );
    let way = dry(&[&text[..], &["--fallback", &fallback]].concat()).json();
    assert_eq!((&way["decision"], &way["way"]["route"]), (&"send".into(), &1.into()), "{way}");

    // The person writes, which opens the window.
    write(&to, "Hello?");
    let open = until("the window", || {
        let preview = dry(&[&text[..], &from[..]].concat());
        (preview.code == 0).then(|| preview.json())
    });
    assert_eq!((&open["way"]["route"], &open["way"]["content"]), (&0.into(), &"text".into()), "{open}");
    assert!(open["facts"]["window_open_until"].is_string(), "{open}");

    // The person opts out.
    write(&to, "STOP");
    let stopped = until("the suppression", || {
        let preview = dry(&[&text[..], &from[..]].concat());
        (preview.code == 1).then_some(preview)
    });
    assert!(stopped.stdout.contains("the recipient has opted out"), "{stopped:?}");
    assert!(sent_to(&to).is_empty());
}

#[test]
fn an_id_of_another_notification_is_not_followed() {
    let (to, id) = (new_number(), new_id("reused"));
    let send = |name: &str| {
        let variable = format!("1={name}");
        let flags = ["send", "--id", &id, "--to", &to, "--category", "utility", "--content-sid"];
        let variables = ["--variable", &variable, "--variable", "2=18473", "--wait"];
        wa(&[&flags[..], &[::sandbox::ORDER_UPDATE_SID], &variables].concat())
    };
    send("Ava").done();
    let stderr = send("Ben").failed(2);
    assert!(stderr.contains(&format!("id: {id} was used before")), "{stderr}");
    assert_eq!(sent_to(&to).len(), 1);
}

#[test]
fn an_id_that_was_sent_before_is_reported_and_not_sent_again() {
    let (to, id) = (new_number(), new_id("again"));
    let flags = ["send", "--id", &id, "--to", &to, "--category", "utility", "--content-sid", sandbox::ORDER_UPDATE_SID];
    let flags = [&flags[..], &["--variable", "1=Ava", "--variable", "2=1", "--output", "json"]].concat();
    let first = wa(&[&flags[..], &["--wait"]].concat());
    assert!(first.code == 0 && !first.stderr.contains("was sent before"), "{first:?}");
    let second = wa(&flags);
    let expected = format!("{id} was sent before, at 2");
    assert!(second.stderr.contains(&expected) && second.stderr.contains("not sent a second time"), "{second:?}");
    assert_eq!(second.json()["before"]["state"], "accepted");
    assert_eq!(sent_to(&to).len(), 1);
}

#[test]
fn a_template_variable_without_a_value_is_refused() {
    let to = new_number();
    let template = |more: &[&str]| {
        let flags = ["send", "--to", &to, "--category", "utility", "--template", "order_update", "--locale", "en"];
        wa(&[&flags[..], &["--variable", "1=Ava"], more].concat())
    };
    let stderr = template(&["--wait"]).failed(2);
    assert!(stderr.contains("the template order_update (en) has no value for 2"), "{stderr}");
    let previewed = template(&["--dry-run", "--output", "json"]);
    assert_eq!(previewed.code, 1, "{previewed:?}");
    assert!(previewed.stdout.contains(r#""decision": "refuse""#), "{previewed:?}");
    assert!(sent_to(&to).is_empty());
    template(&["--use-samples", "--wait"]).done();
    assert_eq!(sent_to(&to).len(), 1);
}

#[test]
fn a_dry_run_of_an_unknown_template_is_refused() {
    let flags = ["send", "--to", &new_number(), "--category", "utility", "--template", "no_such", "--locale", "en"];
    let previewed = wa(&[&flags[..], &["--dry-run", "--output", "json"]].concat());
    assert_eq!(previewed.code, 1, "{previewed:?}");
    assert!(previewed.stdout.contains("the account has no template no_such (en)"), "{previewed:?}");
}

/// Plans a fault for the next message to a person.
fn plan_fault(to: &str, fault: &serde_json::Value) {
    let plan = serde_json::json!({"to": format!("whatsapp:{to}"), "times": 1, "fault": fault});
    sandbox(reqwest::Method::POST, "/sandbox/faults", &plan);
}

#[test]
fn waiting_ends_with_the_outcome_of_a_lost_answer() {
    let to = new_number();
    plan_fault(&to, &serde_json::json!({"kind": "accept_then_hang"}));
    let id = new_id("unanswered");
    let ran = wa_reading(&["send", "--file", "-", "--wait", "--output", "json"], &notification(&id, &to).to_string());
    let outcome = ran.json()["outcome"].clone();
    assert!(outcome == "delivered" || outcome == "read", "{outcome}");
}

#[test]
fn a_message_that_fails_has_the_outcome_and_the_code_on_top() {
    let to = new_number();
    plan_fault(&to, &serde_json::json!({"kind": "fail", "code": 63024}));
    let id = new_id("fails");
    let ran = wa_reading(&["send", "--file", "-", "--wait"], &notification(&id, &to).to_string());
    assert_eq!(ran.code, 1, "{ran:?}");
    let top: Vec<_> = ran.stdout.lines().take(3).collect();
    assert!(top[0].starts_with("outcome") && top[0].ends_with("failed"), "{top:?}");
    assert!(top[1].starts_with("code") && top[1].ends_with("63024") && top[2].starts_with("title"), "{top:?}");
}

#[test]
fn a_person_who_withholds_the_number_is_reached() {
    let user_id = format!("US.{}", new_number().trim_start_matches('+'));
    // WhatsApp knows the id: this person has written before.
    let written = serde_json::json!({"from": format!("whatsapp:{user_id}"), "body": "Hello?"});
    sandbox(reqwest::Method::POST, "/sandbox/inbound", &written);
    let flags = ["send", "--to", &user_id, "--category", "utility", "--template", "order_update", "--locale", "en"];
    let variables = ["--variable", "1=Ava", "--variable", "2=18473", "--wait", "--output", "json"];
    let end = wa(&[&flags[..], &variables].concat()).json();
    assert_eq!(end["recipient"], user_id.as_str(), "{end}");
}

#[test]
fn ctrl_c_ends_a_command() {
    let to = new_number();
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    let flags = ["send", "--to", &to, "--category", "utility", "--text", "Hi", "--send-at", &later, "--wait"];
    let running = RunningCommand::start_with_stderr(&flags);
    running.line(|line| line.contains("on the queue"));
    assert_eq!(running.interrupt(), 130);
}
