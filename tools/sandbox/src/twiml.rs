//! Reads the TwiML in the answer to a person's message.
//!
//! Sources: Twilio, "TwiML for Programmable Messaging" and "Error and warning dictionary".

use roxmltree::{Document, Node};

use crate::webhook::{WebhookAnswer, WebhookDelivery};

/// A message to the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) body: String,
    /// URLs.
    pub(crate) media: Vec<String>,
}

/// An error or a warning, as Twilio's debugger shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DebuggerReport {
    pub(crate) code: u32,
    pub(crate) title: &'static str,
}

impl DebuggerReport {
    /// Whether it is an error, and not only a warning.
    pub(crate) fn is_error(self) -> bool {
        self != UNKNOWN_VERB
    }
}

const fn report(code: u32, title: &'static str) -> DebuggerReport {
    DebuggerReport { code, title }
}

pub(crate) const FAILED: DebuggerReport = report(11200, "the webhook was answered with an HTTP error");
pub(crate) const UNANSWERED: DebuggerReport = report(11205, "the webhook was not answered in time");
const UNPARSABLE: DebuggerReport = report(12100, "the answer is not valid XML");
const NO_RESPONSE: DebuggerReport = report(12102, "the root of the TwiML is not <Response>");
const UNKNOWN_VERB: DebuggerReport = report(12200, "the TwiML has an unknown element");
const CONTENT_TYPE: DebuggerReport =
    report(12300, "the content type of the answer is not text/xml, application/xml or text/html");
const EMPTY_MESSAGE: DebuggerReport = report(14103, "a <Message> has neither text nor a file");

/// The replies in an answer, and its errors and warnings.
pub(crate) fn read(delivery: &WebhookDelivery) -> (Vec<Reply>, Vec<DebuggerReport>) {
    let failed = |report| (Vec::new(), vec![report]);
    match delivery {
        WebhookDelivery::Lost => (Vec::new(), Vec::new()),
        WebhookDelivery::Unanswered => failed(UNANSWERED),
        WebhookDelivery::Answered(WebhookAnswer { status: 400.., .. }) => failed(FAILED),
        WebhookDelivery::Answered(answer) if answer.body.trim().is_empty() => (Vec::new(), Vec::new()),
        WebhookDelivery::Answered(answer) if !is_twiml(&answer.content_type) => failed(CONTENT_TYPE),
        WebhookDelivery::Answered(answer) => match Document::parse(&answer.body) {
            Err(_) => failed(UNPARSABLE),
            Ok(document) if !document.root_element().has_tag_name("Response") => failed(NO_RESPONSE),
            Ok(document) => replies(document.root_element()),
        },
    }
}

fn is_twiml(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ["text/xml", "application/xml", "text/html"].contains(&essence.as_str())
}

fn replies(response: Node<'_, '_>) -> (Vec<Reply>, Vec<DebuggerReport>) {
    let (mut replies, mut reports) = (Vec::new(), Vec::new());
    for verb in response.children().filter(Node::is_element) {
        if !verb.has_tag_name("Message") {
            reports.push(UNKNOWN_VERB);
            continue;
        }
        let reply = Reply { body: text(verb), media: media(verb) };
        if reply.body.is_empty() && reply.media.is_empty() {
            reports.push(EMPTY_MESSAGE);
        } else {
            replies.push(reply);
        }
    }
    (replies, reports)
}

/// The text of a `<Message>`, directly in it or in a `<Body>`.
fn text(message: Node<'_, '_>) -> String {
    let own = message.children().filter(Node::is_text);
    let body = message.children().filter(|node| node.has_tag_name("Body"));
    let nodes = own.chain(body.flat_map(|body| body.children().filter(Node::is_text)));
    nodes.filter_map(|node| node.text()).collect::<String>().trim().to_owned()
}

fn media(message: Node<'_, '_>) -> Vec<String> {
    let nodes = message.children().filter(|node| node.has_tag_name("Media"));
    nodes.filter_map(|node| node.text()).map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, content_type: &str, body: &str) -> WebhookDelivery {
        WebhookDelivery::Answered(WebhookAnswer {
            status,
            content_type: content_type.to_owned(),
            body: body.to_owned(),
        })
    }

    #[test]
    fn replies_are_read_from_twiml() {
        let reply = |body: &str, media: &[&str]| Reply {
            body: body.to_owned(),
            media: media.iter().map(|url| (*url).to_owned()).collect(),
        };
        let cases = [
            ("<Response/>", vec![]),
            ("<Response><Message>a &amp; b</Message></Response>", vec![reply("a & b", &[])]),
            (
                "<Response><Message><Body>a</Body></Message><Message>b</Message></Response>",
                vec![reply("a", &[]), reply("b", &[])],
            ),
            (
                "<?xml version=\"1.0\"?>\n<Response>\n <Message>\n  <Body>a</Body><Media>https://example.com/a.png</Media>\n </Message>\n</Response>",
                vec![reply("a", &["https://example.com/a.png"])],
            ),
        ];
        for (twiml, replies) in cases {
            assert_eq!(read(&answered(200, "text/xml; charset=utf-8", twiml)), (replies, vec![]), "{twiml}");
        }
    }

    #[test]
    fn invalid_twiml_is_reported_with_twilios_code() {
        let cases = [
            (answered(200, "text/xml", "no xml"), Some(12100)),
            (answered(200, "text/xml", "<Message>a</Message>"), Some(12102)),
            (answered(200, "text/xml", "<Response><Redirect>/next</Redirect></Response>"), Some(12200)),
            (answered(200, "text/xml", "<Response><Message/></Response>"), Some(14103)),
            (answered(200, "application/json", "{}"), Some(12300)),
            (answered(200, "", ""), None),
            (answered(204, "", ""), None),
            (answered(404, "text/xml", "<Response/>"), Some(11200)),
            (WebhookDelivery::Unanswered, Some(11205)),
            (WebhookDelivery::Lost, None),
        ];
        for (delivery, code) in cases {
            let (replies, reports) = read(&delivery);
            assert_eq!((replies, reports.first().map(|report| report.code)), (vec![], code), "{delivery:?}");
        }
    }
}
