//! Explains a value that Twilio shows: `cargo run --package twilio-types --example explain -- 63016 whatsapp:+14155550123`.

use std::{env, io::Write as _};

use twilio_types::{address::Address, error_code::ErrorCode, message_status::MessageStatus, sid::MessageSid};

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout();
    for text in env::args().skip(1) {
        writeln!(out, "{text}: {}", explain(&text))?;
    }
    Ok(())
}

fn explain(text: &str) -> String {
    if let Ok(code) = text.parse::<ErrorCode>() {
        let title = code.title().unwrap_or("not in the table");
        return format!("error code, {title}, {:?}, {:?}", code.class(), code.certainty());
    }
    if let Ok(status) = text.parse::<MessageStatus>() {
        return format!("message status, {:?}", status.stage());
    }
    if text.parse::<MessageSid>().is_ok() {
        return "the SID of a message".to_owned();
    }
    match text.parse::<Address>() {
        Ok(address) => format!("an address on the channel {}", address.channel.name()),
        Err(error) => error.to_string(),
    }
}
