//! `wa smoke`

use serde_json::{Value, json};

use crate::operator::{new_number, sandbox, sent_to, wa};

fn results(reports: &Value) -> Vec<&str> {
    reports.as_array().unwrap().iter().map(|report| report["result"].as_str().unwrap()).collect()
}

#[test]
fn a_working_stack_passes_every_step() {
    let to = new_number();
    let ran = wa(&["smoke", "--to", &to, "--simulate", "--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("The sandbox plays the person"), "{}", ran.stderr);
    let reports: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(results(&reports), ["passed"; 8], "{reports:#}");
    let seen = |step: &str| {
        let mut reports = reports.as_array().unwrap().iter();
        reports.find(|report| report["step"] == step).unwrap()["seen"].as_str().unwrap().to_owned()
    };
    assert!(seen("picture").contains(", MM"), "{reports:#}");
    assert!(seen("nothing after STOP").starts_with("outcome suppressed"), "{reports:#}");
    // A text, a picture, and a text after START: nothing between STOP and START.
    let sent: Vec<_> = sent_to(&to).iter().map(|message| message["num_media"].clone()).collect();
    assert_eq!(sent.iter().filter(|files| **files == json!("1")).count(), 1, "{sent:?}");
    assert_eq!(sent.len(), 3, "{sent:?}");
}

#[test]
fn a_step_that_fails_ends_the_test_with_its_reason() {
    let to = new_number();
    let losses = json!({"to_prefix": format!("whatsapp:{to}"), "fraction": 1.0, "seed": 1});
    sandbox(reqwest::Method::PUT, "/sandbox/drops", &losses);
    let ran = wa(&["smoke", "--to", &to, "--timeout", "3", "--output", "json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let reports: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(results(&reports)[..3], ["passed", "failed", "not_tried"], "{reports:#}");
    assert!(reports[1]["seen"].as_str().unwrap().contains("was not seen within 3 s"), "{reports:#}");
    assert!(sent_to(&to).is_empty());
    let no_loss = json!({"to_prefix": format!("whatsapp:{to}"), "fraction": 0.0, "seed": 1});
    sandbox(reqwest::Method::PUT, "/sandbox/drops", &no_loss);
}
