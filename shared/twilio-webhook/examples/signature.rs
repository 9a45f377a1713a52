//! How long the check of a real-size form takes: prints microseconds for each. Run by `make bench`, as it is deployed.

use std::{hint::black_box, io::Write as _, time::Instant};

use twilio_webhook::{
    form::Form,
    signature::{SIGNATURE, SigningKeys, UnverifiedRequest, sign},
};

const URL: &str = "https://wa.example.com/twilio/inbound";
const CHECKS: u32 = 200_000;

/// The 17 parameters of a text on WhatsApp.
const BODY: &str = "SmsMessageSid=SM00000000000000000000000000000001&NumMedia=0&ProfileName=Ava&MessageType=text\
    &SmsSid=SM00000000000000000000000000000001&WaId=14155550123&SmsStatus=received\
    &Body=Where+is+my+order%3F+It+was+to+arrive+on+Friday%2C+and+today+is+Monday.+%F0%9F%91%8B\
    &To=whatsapp%3A%2B14155238886&NumSegments=1&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000001\
    &AccountSid=AC00000000000000000000000000000001&From=whatsapp%3A%2B14155550123&ApiVersion=2010-04-01\
    &Forwarded=false&FrequentlyForwarded=false";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let token = "12345678901234567890123456789012";
    let keys = SigningKeys::from_auth_tokens([token]);
    let signature = sign(&token.into(), URL, &Form::parse(BODY.as_bytes()));
    let header = |name: &str| (name == SIGNATURE).then(|| signature.clone());
    let request = UnverifiedRequest::from_lookup(URL, header, BODY);
    let start = Instant::now();
    for _ in 0..CHECKS {
        black_box(black_box(&request).verify(&keys)?);
    }
    let microseconds = start.elapsed().as_secs_f64() * 1e6 / f64::from(CHECKS);
    writeln!(std::io::stdout(), "{microseconds:.2}")?;
    Ok(())
}
