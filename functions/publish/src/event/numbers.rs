//! The numbers that a person's app sends, as every consumer reads them.

use serde_json::{Map, Value};
use twilio_webhook::inbound_message::Details;

/// Writes whole numbers beyond 64 bits with a sign as numbers with an exponent, which EventBridge accepts: it refuses an event
/// with a larger integer (Amazon EventBridge API Reference, "`PutEvents`"), and many parsers of JSON fail at one. What Twilio sent
/// is exact in the raw form.
pub(super) fn limit(details: &mut Details) {
    if let Some(flow) = &mut details.flow {
        limit_fields(flow);
    }
    for item in details.order.iter_mut().flat_map(|order| &mut order.items) {
        item.quantity = item.quantity.filter(|quantity| i64::try_from(*quantity).is_ok());
    }
}

fn limit_fields(fields: &mut Map<String, Value>) {
    fields.values_mut().for_each(limit_value);
}

fn limit_value(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_u64() && number.as_i64().is_none() => *value = number.as_f64().into(),
        Value::Array(values) => values.iter_mut().for_each(limit_value),
        Value::Object(fields) => limit_fields(fields),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integer_beyond_64_bits_becomes_a_number_with_an_exponent() {
        let mut value = json!({"n": [i64::MAX, i64::MIN, u64::MAX, 1.5], "m": {"u": u64::MAX}});
        limit_value(&mut value);
        assert_eq!(
            value.to_string(),
            r#"{"m":{"u":1.8446744073709552e+19},"n":[9223372036854775807,-9223372036854775808,1.8446744073709552e+19,1.5]}"#
        );
    }
}
