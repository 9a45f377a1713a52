//! How patiently a webhook is posted: Twilio's defaults, and what the fragment of its URL asks for instead.
//!
//! Source: Twilio, "Webhooks: connection overrides".

use std::time::Duration;

/// The limits of a webhook, and when it is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overrides {
    /// `ct`: until there is a connection.
    pub(crate) connect: Duration,
    /// `rt`: until the answer of one try has come.
    pub(crate) read: Duration,
    /// `tt`: all tries together.
    pub(crate) total: Duration,
    /// `rc`: how often it is tried again.
    pub(crate) retries: u8,
    /// `rp`: after what.
    after: Vec<DeliveryFailure>,
}

/// What may go wrong with a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeliveryFailure {
    /// `ct`: no connection, or no TLS.
    Connection,
    /// `rt`: a connection, and no answer in time.
    WebhookAnswer,
    /// `4xx`
    Client,
    /// `5xx`
    Server,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            total: Duration::from_secs(15),
            retries: 1,
            after: vec![DeliveryFailure::Connection],
        }
    }
}

impl Overrides {
    /// What a URL asks for. What is not understood or out of range counts for nothing.
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
                "rp" => overrides.after = value.split(',').flat_map(named).copied().collect(),
                _ => {}
            }
        }
        overrides
    }

    pub(crate) fn tries_again_after(&self, trouble: DeliveryFailure) -> bool {
        self.after.contains(&trouble)
    }
}

fn named(policy: &str) -> &'static [DeliveryFailure] {
    match policy {
        "ct" => &[DeliveryFailure::Connection],
        "rt" => &[DeliveryFailure::WebhookAnswer],
        "4xx" => &[DeliveryFailure::Client],
        "5xx" => &[DeliveryFailure::Server],
        "all" => &[
            DeliveryFailure::Connection,
            DeliveryFailure::WebhookAnswer,
            DeliveryFailure::Client,
            DeliveryFailure::Server,
        ],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_asks_for_more_or_less_patience() {
        let usual = Overrides::default();
        let seconds = Duration::from_secs;
        let cases = [
            ("https://example.com/a?b=1", usual.clone()),
            ("https://example.com/a#section", usual.clone()),
            ("https://example.com/#ct=50&rt=20000&tt=x&rc=9", usual.clone()),
            ("https://example.com/#rc=3&ct=2000", Overrides { retries: 3, connect: seconds(2), ..usual.clone() }),
            (
                "https://example.com/#rt=1000&tt=9000",
                Overrides { read: seconds(1), total: seconds(9), ..usual.clone() },
            ),
            (
                "https://example.com/#rp=5xx,rt",
                Overrides { after: vec![DeliveryFailure::Server, DeliveryFailure::WebhookAnswer], ..usual },
            ),
        ];
        for (url, overrides) in cases {
            assert_eq!(Overrides::of(url), overrides, "{url}");
        }
        assert!(Overrides::of("https://example.com/#rp=all").tries_again_after(DeliveryFailure::Client));
        assert!(!Overrides::default().tries_again_after(DeliveryFailure::Server));
    }
}
