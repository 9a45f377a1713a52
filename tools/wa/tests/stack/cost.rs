//! `wa cost`, and what `wa send --dry-run` says of costs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::operator::{new_id, new_number, notification, sent_to, until, wa, wa_reading};

/// A British number that no other test uses.
fn new_british_number() -> String {
    format!("+4474{:08}", uuid::Uuid::new_v4().as_u128() % 100_000_000)
}

/// A notification of a campaign for each person, as JSON lines.
fn lines(campaign: &str, people: &[String]) -> String {
    let of_person = |to: &String| {
        let mut notification = notification(&new_id("campaign"), to);
        notification["metadata"] = json!({"campaign": campaign, "shop": "north"});
        notification.to_string()
    };
    people.iter().map(of_person).collect::<Vec<_>>().join("\n")
}

/// What the sandbox charged for the only message to a person, once it has priced it.
fn charged(to: &str) -> f64 {
    until("the price of the message", || {
        let messages = sent_to(to);
        let [message] = messages.as_slice() else { return None };
        message["price"].as_str().map(|price| -price.parse::<f64>().unwrap())
    })
}

fn rows(arguments: &[&str]) -> Vec<Value> {
    let shown = wa(&[&["cost", "--since", "1h", "--output", "json"], arguments].concat()).json();
    shown.as_array().unwrap().clone()
}

fn amount(row: &Value) -> f64 {
    row["twilio"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_campaign_costs_what_the_sandbox_charged() {
    let campaign = new_id("spring");
    let people = [new_number(), new_number(), new_number(), new_british_number(), new_british_number()];
    wa_reading(&["send", "--file", "-", "--yes"], &lines(&campaign, &people)).done();
    let expected = people.iter().fold(BTreeMap::<_, f64>::new(), |mut sums, to| {
        *sums.entry(if to.starts_with("+44") { "GB" } else { "US" }).or_default() += charged(to);
        sums
    });

    let found = rows(&["--campaign", &campaign, "--by", "country,category,metadata.shop"]);
    let countries: Vec<_> = found.iter().map(|row| row["country"].as_str().unwrap()).collect();
    assert_eq!(countries, ["GB", "US"], "{found:?}");
    for (row, messages) in found.iter().zip([2, 3]) {
        let country = row["country"].as_str().unwrap();
        assert!((amount(row) - expected[country]).abs() < 1e-9, "{row} {expected:?}");
        assert_eq!((&row["messages"], &row["not_priced"]), (&json!(messages), &json!(0)), "{row}");
        assert_eq!(
            (&row["currency"], &row["category"], &row["metadata.shop"]),
            (&json!("USD"), &json!("utility"), &json!("north"))
        );
    }

    let ran = wa(&["cost", "--since", "1h", "--campaign", &campaign, "--output", "csv"]);
    let total: f64 = expected.values().sum();
    let sum = format!("5 messages cost {total} USD at Twilio, and at most 0.000");
    assert!(ran.stderr.contains(&sum), "{sum}: {ran:?}");
    assert!(ran.done().starts_with("messages,twilio,currency,not_priced,aws_usd_at_most\n5,"));

    let by_route = rows(&["--campaign", &campaign, "--by", "route,channel,direction,account"]);
    let [row] = by_route.as_slice() else { panic!("{by_route:?}") };
    assert_eq!((&row["route"], &row["channel"]), (&json!("whatsapp:+14155238886"), &json!("whatsapp")));
    assert_eq!((&row["direction"], &row["account"]), (&json!("outbound"), &json!(stack::run::ACCOUNT_SID)));
    assert_eq!(rows(&["--campaign", &campaign, "--category", "marketing"])[0]["messages"], 0);
}

#[test]
fn costs_without_a_price_list_refuse_wrong_options() {
    for (arguments, expected) in [
        (&["--by", "colour"][..], "expected account, campaign"),
        (&["--since", "1h", "--until", "2h"], "--until: expected a time after that of --since"),
        (&["--category", "news"], "expected marketing, utility"),
    ] {
        let stderr = wa(&[&["cost"], arguments].concat()).failed(2);
        assert!(stderr.contains(expected), "{stderr}");
    }
}

/// The form of Meta's rate card, with invented rates.
const RATE_CARD: &str = "\
Rates for a test,,,,
Market,Currency,Marketing,Utility,Authentication,Service
North America,$US,0.025,0.004,0.0135,0.004
Other,EUR,0.05,0.01,0.01,n/a
";

#[test]
fn a_dry_run_says_what_a_campaign_will_cost() {
    let people = [new_number(), new_number(), new_number(), new_british_number(), new_british_number()];
    let lines = lines("spring", &people);
    let folder = std::env::temp_dir().join(new_id("prices"));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("card.csv");
    std::fs::write(&file, RATE_CARD).unwrap();
    let path = file.to_str().unwrap();
    let dry = ["send", "--file", "-", "--dry-run", "--output", "json"];

    let ran = wa_reading(&[&dry[..], &["--estimate", "--prices", path]].concat(), &lines);
    assert!(ran.stderr.contains("5 messages will cost 0.025 USD at Twilio, 0.02 EUR and 0.012 USD at Meta"), "{ran:?}");
    assert!(ran.stderr.contains("not considered: volume tiers"), "{ran:?}");
    let estimate = ran.json();
    let shown: Vec<_> = estimate
        .as_array()
        .unwrap()
        .iter()
        .map(|row| [&row["country"], &row["messages"], &row["twilio"], &row["meta"]])
        .collect();
    let (british, american) = (json!(["GB", 2, "0.01 USD", "0.02 EUR"]), json!(["US", 3, "0.015 USD", "0.012 USD"]));
    assert_eq!(json!(shown), json!([british, american]));

    // Without a rate card Meta's part is not known, and said to be so.
    let ran = wa_reading(&dry, &lines);
    assert!(ran.stderr.contains("for 5 of them no price of Meta is known: --prices"), "{ran:?}");
    assert_eq!(ran.json()[0]["cost"], json!({"twilio": "0.005 USD", "meta": "unknown"}));

    std::fs::write(&file, "Market,Currency,Utility\nAtlantis,$US,1\n").unwrap();
    let stderr = wa_reading(&[&dry[..], &["--prices", path]].concat(), &lines).failed(2);
    assert!(stderr.contains("--prices: line 2: expected the codes of countries"), "{stderr}");
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(people.iter().all(|to| sent_to(to).is_empty()));
}
