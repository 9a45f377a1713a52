//! Computes the GB-seconds that Lambda bills for a conversation, from the measured processor time and requests of its parts.

use super::table::ReportTable;

/// Lambda gives a function a processor for 1,769 MB, and a share of it for less (AWS Lambda, "Configure Lambda function memory").
const MEMORY_OF_A_PROCESSOR: f64 = 1_769.0;
/// `MemorySize` in `template.yaml`.
pub(super) const MEMORY: f64 = 256.0;

/// Of a request to DynamoDB, in milliseconds: the middle of what AWS calls single-digit milliseconds ("What is Amazon DynamoDB?").
const REQUEST: f64 = 5.0;
/// Of a batch of `send`, which makes the requests for its messages at the same time: the reads, the reservation, the claim, the
/// answer of Twilio, and what it is written with. Twilio publishes no time, so 400 ms are assumed.
const WAITING_OF_SEND: f64 = 4.0 * REQUEST + 400.0;
const MESSAGES_OF_A_BATCH: f64 = 10.0;
/// Of `publish`, assumed: a batch of 25 events is archived and put on the queue in three requests, one after the other.
const PUBLISH: f64 = 100.0;
/// How often `publish` runs for a conversation, at 80 of them a second (docs/costs.md).
const PUBLISH_RUNS: f64 = 0.2;
const STATUSES: f64 = 4.0;

/// How long this much work lasts with a function's share of a processor.
pub(super) fn with_share_of_processor(cpu: f64) -> f64 {
    cpu * MEMORY_OF_A_PROCESSOR / MEMORY
}

/// Milliseconds on a processor, and requests to DynamoDB, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct WebhookWork {
    pub(super) cpu: f64,
    pub(super) requests: f64,
}

impl WebhookWork {
    /// Lambda bills whole milliseconds (AWS, "AWS Lambda pricing").
    fn billed(self) -> f64 {
        (with_share_of_processor(self.cpu) + self.requests * REQUEST).ceil()
    }
}

/// The GB-seconds of a conversation: an inbound message, a sent one and its four statuses.
fn gb_seconds(inbound: WebhookWork, status: WebhookWork, cpu_of_sent: f64) -> f64 {
    let send = (with_share_of_processor(cpu_of_sent * MESSAGES_OF_A_BATCH) + WAITING_OF_SEND).ceil();
    let milliseconds =
        inbound.billed() + STATUSES * status.billed() + send / MESSAGES_OF_A_BATCH + PUBLISH * PUBLISH_RUNS;
    milliseconds / 1_000.0 * MEMORY / 1_024.0
}

/// Adds them to the table.
pub(super) fn report(table: &mut ReportTable, inbound: WebhookWork, status: WebhookWork, cpu_of_sent: f64) {
    table.add("inbound message, billed with 256 MB, computed", inbound.billed(), "ms", None);
    table.add("status callback, billed with 256 MB, computed", status.billed(), "ms", None);
    // The table has two digits, and a million conversations need them.
    let million = gb_seconds(inbound, status, cpu_of_sent) * 1_000.0;
    table.add("1,000 conversations, computed", million, "GB-seconds", None);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the processor times in docs/benchmarks.md.
    #[test]
    fn conversation_has_the_documented_gb_seconds() {
        let webhook = WebhookWork { cpu: 0.55, requests: 1.0 };
        let computed = gb_seconds(webhook, webhook, 1.02);
        let documented = include_str!("../../../docs/costs.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| GB-seconds of Lambda (arm64) | ")?.split(' ').next())
            .find_map(|cell| cell.parse::<f64>().ok().filter(|amount| (amount - computed).abs() < 0.0001));
        assert!(documented.is_some(), "{computed}");
    }

    #[test]
    fn billed_time_is_a_whole_number_of_milliseconds() {
        assert!((WebhookWork { cpu: 0.1, requests: 1.0 }.billed() - 6.0).abs() < f64::EPSILON);
    }
}
