//! `wa contacts` and `wa consent`

use serde_json::{Value, json};

use crate::operator::{CommandRun, new_id, new_number, notification, until, wa, wa_reading, write};

fn show(number: &str) -> Value {
    wa(&["contacts", "show", number, "--output", "json"]).json()
}

fn suppression(number: &str) -> Value {
    show(number)["suppressions"][0].clone()
}

/// Sends a notification, and gives its final state.
fn send(number: &str) -> Value {
    let id = new_id("contacts");
    wa_reading(&["send", "--file", "-"], &notification(&id, number).to_string()).done();
    until("the final state of the notification", || {
        let shown = wa(&["notifications", "show", &id, "--output", "json"]);
        let shown: Value = serde_json::from_str(&shown.stdout).ok()?;
        matches!(shown["state"].as_str()?, "suppressed" | "accepted").then(|| shown["state"].clone())
    })
}

fn import(file: &str) -> CommandRun {
    wa_reading(&["contacts", "import", "-", "--yes", "--output", "json"], file)
}

#[test]
fn a_suppressed_person_gets_nothing_until_it_is_lifted() {
    let number = new_number();
    let suppressed = wa(&["contacts", "suppress", &number, "--reason", "asked by letter"]).done();
    assert_eq!(suppressed, format!("whatsapp:{number}: suppressed; nothing was known before\n"));
    let known = suppression(&number);
    assert_eq!((&known["preference"], &known["reason"]), (&json!("opted_out"), &json!("asked by letter")));
    assert_eq!(send(&number), "suppressed");

    let unconfirmed = wa(&["contacts", "unsuppress", &number, "--reason", "called us"]).failed(2);
    assert!(unconfirmed.contains("say --yes if that is meant"), "{unconfirmed}");
    let lifted = wa(&["contacts", "unsuppress", &number, "--reason", "called us", "--yes"]).done();
    assert!(
        lifted.contains("not suppressed; before: suppressed since") && lifted.contains("asked by letter"),
        "{lifted}"
    );
    assert_eq!(send(&number), "accepted");

    let history = show(&number)["history"].clone();
    assert!(history[0]["recorded_by"].as_str().unwrap().starts_with("arn:aws:"), "{history}");
    let said: Vec<_> = history.as_array().unwrap().iter().map(|said| (&said["preference"], &said["reason"])).collect();
    assert_eq!(said, [(&json!("opted_in"), &json!("called us")), (&json!("opted_out"), &json!("asked by letter"))]);
    let shown = wa(&["contacts", "show", &number]).done();
    assert!(shown.contains("STOP") && shown.contains("START") && shown.contains("asked by letter"), "{shown}");
}

#[test]
fn a_person_is_named_by_a_user_id_too() {
    let id = format!("US.{}", uuid::Uuid::new_v4().as_u128());
    let suppressed = wa(&["contacts", "suppress", &id, "--reason", "asked by letter"]).done();
    assert_eq!(suppressed, format!("whatsapp:{id}: suppressed; nothing was known before\n"));
    assert_eq!(suppression(&id)["preference"], "opted_out");
    assert_eq!(send(&id), "suppressed");
}

#[test]
fn a_persons_own_stop_is_named_before_it_is_lifted() {
    let number = new_number();
    write(&number, "STOP");
    assert_eq!(suppression(&number)["preference"], "opted_out", "from the answer to the webhook on");
    let shown = wa(&["contacts", "show", &format!("whatsapp:{number}")]).done();
    assert!(shown.contains("suppression") && shown.contains("whatsapp all"), "{shown}");
    let asked = wa(&["contacts", "unsuppress", &number, "--reason", "called us"]).failed(2);
    assert!(asked.contains("said STOP at") && asked.contains("Lift the person's own STOP?"), "{asked}");
    let script = wa(&["contacts", "unsuppress", &number, "--reason", "called us", "--yes"]).failed(2);
    assert!(script.contains("Only --own-stop answers this with yes, --yes does not"), "{script}");
    assert_eq!(suppression(&number)["preference"], "opted_out", "a script does not lift a STOP by the way");
    wa(&["contacts", "unsuppress", &number, "--reason", "called us", "--own-stop"]).done();
    assert_eq!(suppression(&number)["preference"], "opted_in");
}

#[test]
fn an_unknown_person_is_not_found_and_a_change_names_its_place() {
    let number = new_number();
    let unknown = wa(&["contacts", "show", &number]).failed(3);
    assert!(unknown.contains(&format!("nothing is known of {number} in AC")), "{unknown}");
    let json = wa(&["contacts", "show", &number, "--output", "json"]);
    assert_eq!(
        (json.code, serde_json::from_str::<Value>(&json.stdout).unwrap()["suppressions"].clone()),
        (3, json!([]))
    );
    let suppressed = wa(&["contacts", "suppress", &number, "--reason", "asked by letter"]);
    let place = format!(
        "stack whatsapp-local in us-east-1, AWS account 000000000000, Twilio account {}",
        stack::run::ACCOUNT_SID
    );
    assert_eq!(suppressed.stderr.lines().filter(|line| **line == place).count(), 1, "{suppressed:?}");
}

#[test]
fn a_scope_is_suppressed_alone_and_loses_its_consent() {
    let number = new_number();
    let consent = ["--category", "marketing", "--source", "form", "--text", "Offers, please."];
    wa(&[&["consent", "add", &number][..], &consent].concat()).done();
    wa(&["contacts", "suppress", &number, "--scope", "marketing", "--reason", "r"]).done();
    let shown = show(&number);
    assert_eq!(shown["suppressions"].as_array().unwrap().len(), 1);
    assert_eq!(shown["suppressions"][0]["scope"], "marketing");
    assert_eq!(shown["consents"][0]["current"]["state"], "withdrawn");
    assert_eq!(send(&number), "accepted");
    assert!(
        wa(&["contacts", "suppress", &number, "--scope", "news", "--reason", "r"]).failed(2).contains("expected all")
    );
    assert!(wa(&["contacts", "suppress", "14155550123", "--reason", "r"]).failed(2).contains("begins with +"));
}

#[test]
fn a_consent_is_recorded_with_its_proof_by_the_apis_rules() {
    let number = new_number();
    let add = |more: &[&str]| {
        wa(&[&["consent", "add", &number, "--category", "marketing", "--source", "counter"][..], more].concat())
    };
    let added = add(&[
        "--text",
        "Offers, please.",
        "--text-version",
        "2026-01",
        "--at",
        "2026-01-01T00:00:00Z",
        "--ip",
        "2001:db8::1",
        "--output",
        "json",
    ])
    .json();
    assert_eq!((&added["state"], &added["recorded"]), (&json!("given"), &json!("current")));
    assert!(add(&["--withdraw"]).done().starts_with("Consent to marketing is withdrawn since "));
    let older = add(&["--text", "Offers, please.", "--at", "2025-01-01T00:00:00Z"]).done();
    assert!(older.starts_with("The proof is recorded, but a newer one counts."), "{older}");
    let shown = wa(&["consent", "show", &number, "--output", "json"]).json();
    assert_eq!(shown[0]["current"]["state"], "withdrawn");
    assert_eq!(shown[0]["evidence"].as_array().unwrap().len(), 3);
    assert_eq!(shown[0]["evidence"][1]["ip"], "2001:db8::1");
    assert_eq!(shown[0]["evidence"][1]["text_version"], "2026-01");

    assert!(add(&[]).failed(2).contains("--text"));
    let ahead = add(&["--text", "x", "--at", "2999-01-01T00:00:00Z"]).failed(2);
    assert!(ahead.contains("--at: expected a time"), "{ahead}");
}

#[test]
fn a_file_is_imported_as_a_whole_or_not_and_only_once() {
    let [one, two] = [new_number(), new_number()];
    let header = "address,action,scope,category,at,source,text,text_version,reason\n";
    let good = format!(
        "{header}{one},suppress,,,2026-02-01T09:00:00Z,,,,old system\n\
         {two},consent,,marketing,2026-02-01T09:00:00Z,old system,\"Offers, please\",2026-01,\n"
    );
    let wrong = import(&format!("{good}{one},stop,,,2026-02-01T09:00:00Z,,,,\n{two},suppress,,,,,,,\n")).failed(2);
    assert!(wrong.contains("line 4, action: expected suppress") && wrong.contains("line 5, at: missing"), "{wrong}");
    wa(&["contacts", "show", &one]).failed(3);
    let question = wa_reading(&["contacts", "import", "-"], &good).failed(2);
    assert!(question.contains("Write 1 suppression, 0 ends of suppressions and 1 consent to AC"), "{question}");
    let checked = wa_reading(&["contacts", "import", "-", "--dry-run", "--output", "json"], &good).json();
    let contents = json!({"lines": 2, "suppressions": 1, "ends_of_suppressions": 0, "consents": 1});
    assert_eq!(checked, contents);
    wa(&["contacts", "show", &one]).failed(3);

    assert_eq!(import(&good).json(), json!({"lines": 2, "written": 2, "unchanged": 0}));
    assert_eq!(import(&good).json(), json!({"lines": 2, "written": 0, "unchanged": 2}));
    assert_eq!(suppression(&one)["reason"], "old system");
    assert_eq!(show(&two)["consents"][0]["evidence"].as_array().unwrap().len(), 1);
    assert_eq!(show(&two)["consents"][0]["current"]["text_version"], "2026-01");

    let exported = wa(&["contacts", "export"]).done();
    let theirs: Vec<_> = exported.lines().filter(|line| line.contains(&one) || line.contains(&two)).collect();
    assert_eq!(theirs.len(), 2, "{theirs:?}");
    let again = format!("{}\n{}\n", exported.lines().next().unwrap(), theirs.join("\n"));
    assert_eq!(import(&again).json()["unchanged"], 2);
    let suppressed = wa(&["contacts", "export", "--suppressed"]).done();
    assert!(suppressed.contains(&one) && !suppressed.contains(&two));
    let lines = wa(&["contacts", "export", "--output", "json"]).json();
    assert!(lines.as_array().unwrap().iter().any(|line| line["address"] == format!("whatsapp:{one}").as_str()));
}

#[test]
fn a_formula_in_a_proof_is_text_in_an_export() {
    let number = new_number();
    let agent = "=cmd|' /C calc'!A0";
    let proof = ["--category", "marketing", "--source", "form", "--text", "Offers", "--user-agent", agent];
    wa(&[&["consent", "add", &number][..], &proof].concat()).done();
    let exported = wa(&["contacts", "export"]).done();
    let line = exported.lines().find(|line| line.contains(&number)).unwrap();
    assert!(line.contains(",'=cmd|' /C calc'!A0,"), "{line}");
    let again = format!("{}\n{line}\n", exported.lines().next().unwrap());
    assert_eq!(import(&again).json(), json!({"lines": 1, "written": 0, "unchanged": 1}));
}
