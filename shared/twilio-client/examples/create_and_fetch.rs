//! Creates a message from a template and fetches it: at Twilio, or at a stand-in for tests.
//!
//! Arguments: the base URL, the account's SID and its auth token, and optionally the sender and the recipient. The defaults are
//! those of a stand-in that listens on port 8080 of this machine and knows the accounts, numbers and templates of this example.

use std::{env, error::Error, io::Write as _};

use twilio_client::{Credentials, MessageSender, NewContent, NewMessage, TwilioClient, TwilioError};
use twilio_types::sid::AccountSid;

const DEFAULTS: [&str; 5] = [
    "http://127.0.0.1:8080",
    "AC00000000000000000000000000000001",
    "12345678901234567890123456789012",
    "whatsapp:+14155238886",
    "whatsapp:+14155550123",
];
const TEMPLATE: &str = "HX00000000000000000000000000000001";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let [base_url, account_sid, token, from, to] =
        DEFAULTS.map(|default| arguments.next().unwrap_or_else(|| default.to_owned()));

    let account_sid: AccountSid = account_sid.parse()?;
    let credentials = Credentials::auth_token(&account_sid, token.into());
    let account = TwilioClient::new(base_url.parse()?)?.account(account_sid, credentials);

    let content = NewContent::Template(TEMPLATE.parse()?, r#"{"1": "Ava", "2": "18473"}"#.to_owned());
    let message = NewMessage::new(to, MessageSender::From(from), content).with_validity_period(900);
    let created = match account.create(&message).await {
        Ok(created) => created,
        Err(TwilioError::Unknown { .. }) => return Err("the message may exist: look for it before trying again".into()),
        Err(error) => return Err(error.into()),
    };
    let fetched = account.fetch(&created.sid).await?;

    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "created {}", created.sid)?;
    writeln!(stdout, "fetched {} ({})", fetched.sid, fetched.status)?;
    Ok(())
}
