//! The texts that `make run` prints when a stack is running: the page's URL, and what to try.

use std::{fmt::Write as _, path::Path};

use crate::{Stack, account::TwilioAccount, tunnel::Tunnel};

/// The URL of the page, which is printed first.
pub fn page(stack: &Stack) -> String {
    format!("\n    The system is running. Open {}\n", stack.sandbox_url)
}

/// What to try with the sandbox in place of Twilio. `to` is a person's phone number.
pub fn with_sandbox(stack: &Stack, shell: &Path, to: &str) -> String {
    let Stack { api_url, sandbox_url, .. } = stack;
    let send = send(shell, to, "");
    format!(
        r"
The system keeps running. On the page, {sandbox_url}:

  write as Ava, Ben or Chloe, press a button, send STOP, make a delivery fail, advance the clock by a day

From another terminal:

  # send a notification to Ava and follow it until its final status
{send}

  # send her a template, and press one of its two buttons on the page
  wa send --to {to} --category utility --template appointment_reminder --locale en --variable 1=Friday --variable 2=10:30

  # see whether the next one would be sent, and why; follow the published events
  wa send --to {to} --category marketing --text Offers --dry-run
  wa events tail

  # a request without Twilio's signature is refused: 403
  curl -si {api_url}/twilio/inbound -d 'Body=hello'

Ctrl-C stops the system and all its processes.",
    )
}

/// What to do with a real Twilio account. The stack sends no message until the user asks for one.
pub fn with_twilio(stack: &Stack, shell: &Path, account: &TwilioAccount, tunnel: &Tunnel) -> String {
    let Stack { api_url, .. } = stack;
    let TwilioAccount { account_sid, public_base_url, .. } = account;
    let from = account.whatsapp_from.as_ref().filter(|_| account.messaging_service_sid.is_none());
    let from = from.map(|from| format!(" --from {from}")).unwrap_or_default();
    let send = send(shell, "+YOUR_NUMBER", &from);
    format!(
        r"
The system uses the Twilio account {account_sid}: it sends to real phones, and the page shows what the system does.

1. The tunnel. {public_base_url} has to lead to {api_url}, and {tunnel}.

     cloudflared tunnel --url {api_url}
     ngrok http {api_url}

   One of the two is enough. If it prints another URL, set PUBLIC_BASE_URL in .env to that URL and start again: Twilio's
   signature covers the URL. Only Twilio's two webhooks can be reached through the tunnel.

2. In the Twilio Console, set the webhook for incoming messages to {inbound}, by POST:

{places}
   Status callbacks need no setting: each message names {public_base_url}/twilio/status.

3. Send a message from your phone to your sender: this opens the service window. Then send a notification:

{send}

Ctrl-C stops the system and all its processes.",
        inbound = public_base_url.join("/twilio/inbound"),
        places = places(account),
    )
}

/// The places in the Twilio Console where the webhook is set.
fn places(account: &TwilioAccount) -> String {
    let mut places = String::new();
    if let Some(service) = &account.messaging_service_sid {
        let _ = writeln!(
            places,
            "     Messaging > Services > {service} > Integration > Send a webhook: Request URL, and Fallback URL"
        );
    }
    if let Some(sender) = &account.whatsapp_from {
        let _ = writeln!(
            places,
            "     Messaging > Senders > WhatsApp senders > {sender}: Webhook URL for incoming messages, and Fallback URL\n     \
             or, with Twilio's Sandbox: Messaging > Try it out > Send a WhatsApp message > Sandbox settings: When a message \
             comes in"
        );
    }
    places
}

/// The commands that send a notification and follow it until its final status. `from` is the option for a sender, with a
/// space before it, or empty.
fn send(shell: &Path, to: &str, from: &str) -> String {
    format!("  . {shell}\n  wa send --to {to}{from} --category service --text Hello --wait", shell = shell.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{account::tests::account, stack::tests::stack};

    #[test]
    fn page_is_named_in_the_first_line() {
        assert_eq!(page(&stack()).trim(), "The system is running. Open http://sandbox");
        assert!(
            with_sandbox(&stack(), Path::new("env"), "+14155550123")
                .trim_start()
                .starts_with("The system keeps running. On the page, http://sandbox:")
        );
    }

    #[test]
    fn text_for_an_account_has_its_console_pages_and_its_sender() {
        let service = ("TWILIO_MESSAGING_SERVICE_SID", "MG000000000000000000000000000000aa");
        let sender = ("TWILIO_WHATSAPP_FROM", "whatsapp:+14155238886");
        let cases = [
            (vec![service], vec!["Services > MG"], vec!["Sandbox settings", "--from"]),
            (
                vec![("TWILIO_MESSAGING_SERVICE_SID", ""), sender],
                vec!["WhatsApp senders > whatsapp:+14155238886", "Sandbox settings", "--from whatsapp:+14155238886"],
                vec!["Services > MG"],
            ),
            (vec![service, sender], vec!["Services > MG", "WhatsApp senders >"], vec!["--from"]),
        ];
        for (variables, present, absent) in cases {
            let account = account(&variables);
            let text = with_twilio(&stack(), Path::new("env"), &account, &Tunnel::Nowhere);
            for words in present.iter().chain(&[
                "no server answers there",
                "https://wa.example.com/twilio/inbound",
                "cloudflared tunnel --url http://api\n",
            ]) {
                assert!(text.contains(words), "{words} is not in: {text}");
            }
            for words in absent {
                assert!(!text.contains(words), "{words} is in: {text}");
            }
        }
    }
}
