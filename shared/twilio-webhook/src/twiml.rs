//! Answers to Twilio's messaging webhooks.
//!
//! Source: Twilio, "TwiML for Programmable Messaging".

/// The content type without which Twilio reports error 12300.
pub const CONTENT_TYPE: &str = "text/xml";

/// Nothing to say.
pub const EMPTY: &str = "<Response/>";

/// One message back to the sender.
pub fn message(body: &str) -> String {
    let mut escaped = String::with_capacity(body.len());
    for c in body.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c => escaped.push(c),
        }
    }
    format!("<Response><Message>{escaped}</Message></Response>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_break_out_of_its_element() {
        assert_eq!(
            message("a < b && </Message>"),
            "<Response><Message>a &lt; b &amp;&amp; &lt;/Message&gt;</Message></Response>"
        );
    }
}
