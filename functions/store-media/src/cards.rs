//! The contact cards of a vCard, as the event has them.

use serde_json::Value;
use twilio_webhook::contact_card::ContactCard;

use crate::parts::PART_BYTES;

/// The most bytes of all cards together, as JSON. An item of DynamoDB has at most 400 KB (Amazon DynamoDB, "Constraints"), and
/// an event has to be as short.
const MAX_BYTES: usize = 100_000;

/// The first cards of the first part of a file, as many as fit. Bytes that are not UTF-8 are replaced.
pub(crate) fn read(part: &[u8]) -> Vec<Value> {
    let part = if part.len() < PART_BYTES { part } else { whole_cards(part) };
    let cards = ContactCard::parse_all(&String::from_utf8_lossy(part));
    let mut bytes = 0;
    let cards = cards.iter().filter_map(|card| serde_json::to_value(card).ok());
    cards
        .take_while(|card| {
            bytes += card.to_string().len();
            bytes <= MAX_BYTES
        })
        .collect()
}

/// Without the card that goes on in the next part: a number that is cut off is another person's.
fn whole_cards(part: &[u8]) -> &[u8] {
    const END: &[u8] = b"END:VCARD";
    let last = part.windows(END.len()).rposition(|window| window.eq_ignore_ascii_case(END));
    last.and_then(|last| part.get(..last + END.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_read_as_long_as_they_fit() {
        let card = |name: &str| format!("BEGIN:VCARD\nFN:{name}\nEND:VCARD\n");
        let names =
            |file: String| read(file.as_bytes()).into_iter().map(|card| card["name"].clone()).collect::<Vec<_>>();
        assert_eq!(names(card("Ada") + &card("Ben")), ["Ada", "Ben"]);
        assert_eq!(names(card("Ada") + &card(&"x".repeat(MAX_BYTES)) + &card("Ben")), ["Ada"]);
        assert!(read(b"no card \xff").is_empty());
    }

    #[test]
    fn card_that_goes_on_in_the_next_part_is_left_out() {
        let cut_off = "BEGIN:VCARD\nFN:Ben\nTEL:+1415555";
        let file = |length: usize| {
            let mut file = format!("BEGIN:VCARD\nFN:Ada\nNOTE:{}\nend:vcard\n", "x".repeat(length)).into_bytes();
            file.extend_from_slice(cut_off.as_bytes());
            file
        };
        let rest = file(0).len();
        assert_eq!(read(&file(PART_BYTES - rest - 1)).len(), 2, "the whole file, which its sender cut off");
        let cards = read(&file(PART_BYTES - rest));
        assert_eq!(cards.iter().map(|card| &card["name"]).collect::<Vec<_>>(), ["Ada"]);
        assert!(read(&cut_off.repeat(PART_BYTES / cut_off.len() + 1).into_bytes()[..PART_BYTES]).is_empty());
    }
}
