//! Time-outs and retries of a webhook: Twilio's defaults, and the overrides in the fragment of its URL.
//!
//! Source: Twilio, "Webhooks: connection overrides".

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overrides {
    /// `ct`: for the connection.
    pub(crate) connect: Duration,
    /// `rt`: for the answer of one attempt.
    pub(crate) read: Duration,
    /// `tt`: for all attempts together.
    pub(crate) total: Duration,
    /// `rc`
    pub(crate) retries: u8,
    /// `rp`: the failures after which it is retried.
    retry_after: Vec<DeliveryFailure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeliveryFailure {
    /// `ct`: no connection, or no TLS session.
    Connection,
    /// `rt`: no answer in time.
    AnswerTimeout,
    /// `4xx`
    ClientError,
    /// `5xx`
    ServerError,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            total: Duration::from_secs(15),
            retries: 1,
            retry_after: vec![DeliveryFailure::Connection],
        }
    }
}

impl Overrides {
    /// The overrides in a URL's fragment. An unknown parameter and a value out of range are ignored.
    pub(crate) fn of(url: &str) -> Self {
        let mut overrides = Self::default();
        let Some((_, fragment)) = url.split_once('#') else { return overrides };
        for (name, value) in form_urlencoded::parse(fragment.as_bytes()) {
            let milliseconds = |most: u64| {
                let parsed = value.parse().ok().filter(|milliseconds| (100..=most).contains(milliseconds));
                parsed.map(Duration::from_millis)
            };
            match name.as_ref() {
                "ct" => overrides.connect = milliseconds(10_000).unwrap_or(overrides.connect),
                "rt" => overrides.read = milliseconds(15_000).unwrap_or(overrides.read),
                "tt" => overrides.total = milliseconds(15_000).unwrap_or(overrides.total),
                "rc" => {
                    let parsed = value.parse().ok().filter(|retries| *retries <= 5);
                    overrides.retries = parsed.unwrap_or(overrides.retries);
                }
                "rp" => overrides.retry_after = value.split(',').flat_map(failures).copied().collect(),
                _ => {}
            }
        }
        overrides
    }

    pub(crate) fn retries_after(&self, trouble: DeliveryFailure) -> bool {
        self.retry_after.contains(&trouble)
    }
}

fn failures(policy: &str) -> &'static [DeliveryFailure] {
    match policy {
        "ct" => &[DeliveryFailure::Connection],
        "rt" => &[DeliveryFailure::AnswerTimeout],
        "4xx" => &[DeliveryFailure::ClientError],
        "5xx" => &[DeliveryFailure::ServerError],
        "all" => &[
            DeliveryFailure::Connection,
            DeliveryFailure::AnswerTimeout,
            DeliveryFailure::ClientError,
            DeliveryFailure::ServerError,
        ],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragment_overrides_timeouts_and_retries() {
        let default = Overrides::default();
        let seconds = Duration::from_secs;
        let cases = [
            ("https://example.com/a?b=1", default.clone()),
            ("https://example.com/a#section", default.clone()),
            ("https://example.com/#ct=50&rt=20000&tt=x&rc=9", default.clone()),
            ("https://example.com/#rc=3&ct=2000", Overrides { retries: 3, connect: seconds(2), ..default.clone() }),
            (
                "https://example.com/#rt=1000&tt=9000",
                Overrides { read: seconds(1), total: seconds(9), ..default.clone() },
            ),
            (
                "https://example.com/#rp=5xx,rt",
                Overrides {
                    retry_after: vec![DeliveryFailure::ServerError, DeliveryFailure::AnswerTimeout],
                    ..default
                },
            ),
        ];
        for (url, overrides) in cases {
            assert_eq!(Overrides::of(url), overrides, "{url}");
        }
        assert!(Overrides::of("https://example.com/#rp=all").retries_after(DeliveryFailure::ClientError));
        assert!(!Overrides::default().retries_after(DeliveryFailure::ServerError));
    }
}
