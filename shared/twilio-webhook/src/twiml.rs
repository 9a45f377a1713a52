//! TwiML: answers to Twilio's messaging webhooks.
//!
//! Source: Twilio, "TwiML for Programmable Messaging".

/// The content type of an answer. Without it Twilio reports error 12300.
pub const CONTENT_TYPE: &str = "text/xml";

/// An answer without a message.
pub const EMPTY: &str = "<Response/>";

/// An answer with one message to the person who wrote. `&`, `<` and `>` are escaped.
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
