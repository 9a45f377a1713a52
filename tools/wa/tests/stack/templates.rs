//! `wa templates`

use std::{fs, path::PathBuf};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    isolated_stack::{IsolatedStack, TOKEN},
    operator::{new_id, wa},
};

/// A folder with files of templates, which is removed with this value.
struct TemplateFolder(PathBuf);

impl TemplateFolder {
    fn new(files: &[(&str, Value)]) -> Self {
        let folder = std::env::temp_dir().join(new_id("templates"));
        fs::create_dir(&folder).unwrap();
        let folder = Self(folder);
        for (name, definition) in files {
            folder.write(name, definition);
        }
        folder
    }

    fn write(&self, name: &str, definition: &Value) {
        fs::write(self.0.join(format!("{name}.json")), definition.to_string()).unwrap();
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TemplateFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn order_ready(english: &str) -> Value {
    let locale = |body: &str| json!({"variables": {"1": "Ava"}, "types": {"twilio/text": {"body": body}}});
    let locales = json!({
        "en": locale(english),
        "pt_BR": locale("Olá {{1}}, seu pedido está pronto hoje."),
    });
    json!({"category": "utility", "locales": locales})
}

const ENGLISH: &str = "Hello {{1}}, your order is ready today.";

/// The values of a property of the rows, sorted.
fn column(rows: &Value, name: &str) -> Vec<String> {
    let mut values: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| row[name].as_str().unwrap_or_default().to_owned()).collect();
    values.sort();
    values
}

#[test]
fn template_files_are_created_submitted_and_followed() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    let folder = TemplateFolder::new(&[("order_ready", order_ready(ENGLISH))]);
    let templates = |command: &str, options: &[&str]| {
        isolated.wa(&[&["--yes", "--output", "json", "templates", command, folder.path()], options].concat())
    };
    assert_eq!(templates("check", &[]).json(), json!([]));
    let missing = templates("check", &["--remote"]);
    assert!(missing.code == 1 && missing.stdout.contains("Twilio does not have it"), "{missing:?}");
    assert_eq!(column(&templates("create", &[]).json(), "result"), ["created", "created"]);
    assert_eq!(column(&templates("create", &[]).json(), "result"), ["unchanged", "unchanged"]);
    folder.write("order_ready", &order_ready("Hello {{1}}, your order is ready tomorrow."));
    assert_eq!(column(&templates("create", &[]).json(), "result"), ["changed", "unchanged"]);
    assert_eq!(column(&templates("submit", &[]).json(), "status"), ["received", "received"]);
    isolated.control(Method::POST, "clock", &json!({"advance_seconds": 60}));
    let submitted = templates("submit", &["--wait"]).json();
    assert_eq!(column(&submitted, "status"), ["approved", "approved"]);
    assert_eq!(templates("check", &["--remote"]).json(), json!([]));
    folder.write("order_ready", &order_ready(ENGLISH));
    let refused = templates("create", &[]).failed(4);
    assert!(refused.contains("was submitted to WhatsApp and says something else"), "{refused}");

    let sid = submitted[0]["sid"].as_str().unwrap();
    isolated.control(Method::PUT, &format!("templates/{sid}"), &json!({"status": "paused"}));
    let listed = isolated.wa(&["templates", "list", "--status", "paused", "--output", "json"]).json();
    assert_eq!((column(&listed, "sid"), column(&listed, "locale")), (vec![sid.to_owned()], vec!["en".to_owned()]));
    let shown = isolated.wa(&["templates", "show", "order_ready"]).json();
    assert_eq!(column(&shown, "status"), ["approved", "paused"]);
    assert!(shown[0]["content"]["twilio/text"]["body"].is_string(), "{shown}");
    isolated.wa(&["templates", "show", "no_such"]).failed(3);
}

#[test]
fn rejected_template_ends_the_wait_with_its_reason() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    let folder = TemplateFolder::new(&[("reject_me", order_ready(ENGLISH))]);
    let templates = |command: &str, options: &[&str]| {
        isolated.wa(&[&["--yes", "--output", "json", "templates", command, folder.path()], options].concat())
    };
    templates("create", &[]).done();
    templates("submit", &[]).done();
    isolated.control(Method::POST, "clock", &json!({"advance_seconds": 60}));
    let ran = templates("submit", &["--wait"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let lines: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(column(&lines, "status"), ["rejected", "rejected"]);
    assert!(lines[0]["rejection_reason"].as_str().unwrap().contains("its name contains reject"), "{lines}");
}

#[test]
fn changes_of_templates_are_watched_by_one_sink() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    let doctor = || {
        let ran = isolated.wa(&["doctor", "--output", "json"]);
        let findings: Value = serde_json::from_str(&ran.stdout).unwrap();
        let of_check = findings.as_array().unwrap().iter().filter(|found| found["check"] == "templates");
        of_check.map(|found| format!("{} {}", found["finding"].as_str().unwrap(), found["what"])).collect::<Vec<_>>()
    };
    let [before] = &doctor()[..] else { panic!("one finding") };
    assert!(before.starts_with("warning") && before.contains("does not report changes"), "{before}");
    let watch = || column(&isolated.wa(&["--yes", "--output", "json", "templates", "watch"]).json(), "result");
    assert_eq!((watch(), watch()), (vec!["created".to_owned(); 2], vec!["exists".to_owned(); 2]));
    let sinks = isolated.twilio(Method::GET, "/v1/Sinks", TOKEN, &[]).1;
    assert_eq!(sinks["sinks"][0]["sink_configuration"]["destination"], format!("{}/twilio/events", isolated.api_url));
    assert!(doctor()[0].starts_with("ok"), "{:?}", doctor());
    let order_update = "HX00000000000000000000000000000001";
    isolated.control(Method::PUT, &format!("templates/{order_update}"), &json!({"status": "paused"}));
    let stopped = doctor();
    assert!(stopped[0].starts_with("warning") && stopped[0].contains("order_update (en) is paused"), "{stopped:?}");
}

#[test]
fn sync_reads_twilios_list_at_once() {
    let report = wa(&["templates", "sync"]).json();
    assert!(report.is_object(), "{report}");
}
