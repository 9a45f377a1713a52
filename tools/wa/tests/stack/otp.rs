//! `wa otp`

use crate::operator::{new_number, sent_to, wa};

#[test]
fn a_code_is_sent_and_checked() {
    let to = new_number();
    let sent = wa(&["otp", "send", &to, "--locale", "pt-BR", "--output", "json"]).json();
    assert_eq!((sent["channel"].as_str(), sent["status"].as_str()), (Some("whatsapp"), Some("pending")), "{sent}");
    let id = sent["id"].as_str().unwrap();
    let messages = sent_to(&to);
    let body = messages[0]["body"].as_str().unwrap();
    let code = body.split(|char: char| !char.is_ascii_digit()).find(|word| word.len() == 6).unwrap();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert!(wa(&["otp", "check", id, wrong]).failed(1).contains("the code is wrong"));
    assert!(wa(&["otp", "check", id, code]).done().contains("approved"));
    assert!(wa(&["otp", "check", &to, code]).failed(3).contains("no such verification any more"));
    assert!(wa(&["otp", "send", "whatsapp:14155550123"]).failed(2).contains("E.164"));
}
