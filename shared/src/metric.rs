//! Values of log fields that are dimensions of metrics. AWS charges for each value as for a metric, and may disable a filter
//! that finds a thousand values in an hour (Amazon `CloudWatch` Logs, "Creating metrics from log events using filters").

use twilio_types::error_code::ErrorCode;

/// A code that this version knows, `other` or `none`: whatever Twilio sends, there are no more values than known codes.
pub fn failure_code(code: Option<ErrorCode>) -> String {
    match code {
        Some(code) if code.title().is_some() => code.to_string(),
        Some(_) => "other".to_owned(),
        None => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_codes_are_one_value() {
        let value = |code: &str| failure_code(Some(code.parse().unwrap()));
        assert_eq!((value("63016"), value("99999"), value("99998")), ("63016".into(), "other".into(), "other".into()));
        assert_eq!(failure_code(None), "none");
    }
}
