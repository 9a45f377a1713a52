//! Twilio's limits on a message, each with its source.

/// Characters in the body of a message. Source: Twilio, error 21617. Its page says that emoji "can use more space than standard
/// GSM characters and cause the message to exceed the limit sooner", and not how much. So a character here is a Unicode scalar
/// value, the most that may be meant: a longer text is refused by Twilio itself, and nothing is sent.
pub const MAX_BODY_CHARS: usize = 1_600;

/// Media files in one message. Source: Twilio, "Messages resource", `MediaUrl`.
pub const MAX_MEDIA: usize = 10;

/// Variables of a content template. Source: Twilio, "Using variables with the Content API".
pub const MAX_TEMPLATE_VARIABLES: usize = 100;

/// Characters of a template variable's value. Source: as above.
pub const MAX_TEMPLATE_VALUE_CHARS: usize = 1_600;

/// Seconds for which Twilio may keep a message in its queue. Source: Twilio, "Messages resource", `ValidityPeriod`.
pub const VALIDITY_PERIOD_SECONDS: std::ops::RangeInclusive<u32> = 1..=36_000;
