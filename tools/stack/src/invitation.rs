//! What is printed once a stack is up: where its page is, and what to try.

use std::{fmt::Write as _, path::Path};

use crate::{Stack, account::Account, tunnel::Tunnel};

/// Where the page is, before anything else.
pub fn page(stack: &Stack) -> String {
    format!("\n    The system is up. Open {}\n", stack.sandbox_url)
}

/// What to try where the sandbox plays Twilio. `to` is a person's number.
pub fn to_play(stack: &Stack, shell: &Path, to: &str) -> String {
    let Stack { api_url, sandbox_url, .. } = stack;
    let send = send(shell, to, "");
    format!(
        r"
It stays up. On the page, {sandbox_url}:

  write as Ava, Ben or Chloe, press a button, send STOP, let a delivery fail, let a day pass

From another terminal:

  # a notification for Ava goes out, and is followed to its end
{send}

  # what may happen to the next one, and why; what the system does, as it does it
  wa send --to {to} --category marketing --text Offers --dry-run
  wa events tail

  # nobody but Twilio is let in: 403
  curl -si {api_url}/twilio/inbound -d 'Body=hello'

Ctrl-C ends it and leaves nothing running.",
    )
}

/// What to do where Twilio itself plays. Nobody is messaged without being asked.
pub fn to_connect(stack: &Stack, shell: &Path, account: &Account, tunnel: &Tunnel) -> String {
    let Stack { api_url, .. } = stack;
    let Account { account_sid, public_base_url, .. } = account;
    let from = account.whatsapp_from.as_ref().filter(|_| account.messaging_service_sid.is_none());
    let from = from.map(|from| format!(" --from {from}")).unwrap_or_default();
    let send = send(shell, "+YOUR_NUMBER", &from);
    format!(
        r"
It is connected to Twilio's account {account_sid}: phones are real, and the page shows what the system does.

1. The tunnel. {public_base_url} has to lead to {api_url}, and {tunnel}.

     cloudflared tunnel --url {api_url}
     ngrok http {api_url}

   Either is enough. Where it prints another URL, put that into .env as PUBLIC_BASE_URL and start again: Twilio's
   signature covers it. The tunnel reaches Twilio's two webhooks and nothing else.

2. At Twilio, let messages come to {inbound}, by POST:

{places}
   Statuses come by themselves: each message names {public_base_url}/twilio/status.

3. Write to your sender from your phone: that opens its service window. Then send a notification:

{send}

Ctrl-C ends it and leaves nothing running.",
        inbound = public_base_url.join("/twilio/inbound"),
        places = places(account),
    )
}

/// Where in Twilio's Console the webhook is set.
fn places(account: &Account) -> String {
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

/// The command that sends a notification and follows it to its end. `from` names a sender, with a space before it, or is
/// empty.
fn send(shell: &Path, to: &str, from: &str) -> String {
    format!("  . {shell}\n  wa send --to {to}{from} --category service --text Hello --wait", shell = shell.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{account::tests::account, stack::tests::stack};

    #[test]
    fn the_page_comes_first() {
        assert_eq!(page(&stack()).trim(), "The system is up. Open http://sandbox");
        assert!(
            to_play(&stack(), Path::new("env"), "+14155550123")
                .trim_start()
                .starts_with("It stays up. On the page, http://sandbox:")
        );
    }

    #[test]
    fn who_connects_an_account_is_told_where_and_by_which_sender() {
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
        for (variables, said, unsaid) in cases {
            let account = account(&variables);
            let text = to_connect(&stack(), Path::new("env"), &account, &Tunnel::Nowhere);
            for words in said.iter().chain(&[
                "nothing answers there",
                "https://wa.example.com/twilio/inbound",
                "cloudflared tunnel --url http://api\n",
            ]) {
                assert!(text.contains(words), "{words} is not in: {text}");
            }
            for words in unsaid {
                assert!(!text.contains(words), "{words} is in: {text}");
            }
        }
    }
}
