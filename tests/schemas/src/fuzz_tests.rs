//! The schema of a notification and the parser, on notifications near valid ones.

use domain::notification::Notification;
use fuzz::{Understood, fuzz, seeds::notifications};

use crate::tests::{accepted, accepted_on_other_channels, notification_schema};

/// The rules of a notification that a JSON Schema cannot express: times, of which one is compared with the other and both may be
/// written in more ways than RFC 3339 has; URLs; numbers of bytes; which letters of the world an e-mail address may have; and
/// whether a whole number is written with a point.
const BEYOND_THE_SCHEMA: [&str; 7] = ["send_at", "expires_at", ".url", ".key", "metadata", "validity_period", "].to"];

/// A rule about a field in terms of the earlier elements of a list.
const AFTER_A_FLOW: &str = "after a studio flow";

/// Where the schema is stricter, it refuses what would be sent. Where it is laxer, only for a rule that it cannot express.
#[test]
fn schema_and_parser_agree_on_mutated_notifications() {
    let schema = notification_schema();
    let seeds: Vec<_> = notifications().iter().cloned().chain(accepted()).chain(accepted_on_other_channels()).collect();
    fuzz(|mutator| {
        let notification = mutator.json(&seeds);
        let by_schema = schema.validate(&notification).map_err(|error| error.to_string());
        match Notification::parse(&notification.to_string()) {
            Ok(_) => assert_eq!(by_schema, Ok(()), "the parser accepts {notification}"),
            Err(error) if by_schema.is_ok() => {
                let is_beyond = BEYOND_THE_SCHEMA.iter().any(|field| error.field.contains(field))
                    || error.problem.contains(AFTER_A_FLOW);
                assert!(is_beyond, "the schema accepts {notification}, and the parser does not: {error}");
            }
            Err(_) => {}
        }
        Understood::when(by_schema.is_ok())
    });
}
