//! The form of an item, where a map of DynamoDB cannot hold it.
//!
//! The attribute `raw` is a map from the name of a parameter to its value. A name that a map cannot have is kept with its
//! value in the list `raw_more`. Source: Amazon DynamoDB, "Constraints", attribute names: "at least one character long, but no
//! greater than 64 KB".

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::dynamodb::Item;

const RAW: &str = "raw";
const MORE: &str = "raw_more";
const NAME: &str = "name";
const VALUE: &str = "value";

/// The longest name that a map may have, in bytes.
const MAX_NAME_BYTES: usize = 65_535;

/// Moves what the map cannot hold out of it.
pub(super) fn pack(item: &mut Item) {
    let Some(AttributeValue::M(raw)) = item.get_mut(RAW) else { return };
    let is_possible = |name: &String| (1..=MAX_NAME_BYTES).contains(&name.len());
    let mut more: Vec<_> = raw.extract_if(|name, _| !is_possible(name)).collect();
    if more.is_empty() {
        return;
    }
    more.sort_by(|(one, _), (other, _)| one.cmp(other));
    let pair = |(name, value)| {
        AttributeValue::M(HashMap::from([(NAME.to_owned(), AttributeValue::S(name)), (VALUE.to_owned(), value)]))
    };
    item.insert(MORE.to_owned(), AttributeValue::L(more.into_iter().map(pair).collect()));
}

/// Moves it back.
pub(super) fn unpack(item: &mut Item) {
    let Some(AttributeValue::L(more)) = item.remove(MORE) else { return };
    let Some(AttributeValue::M(raw)) = item.get_mut(RAW) else { return };
    for pair in more {
        let AttributeValue::M(mut pair) = pair else { continue };
        if let (Some(AttributeValue::S(name)), Some(value)) = (pair.remove(NAME), pair.remove(VALUE)) {
            raw.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use twilio_webhook::form::{Form, RawForm};

    use super::*;

    fn item_of(raw: &RawForm) -> Item {
        Item::from([(RAW.to_owned(), serde_dynamo::to_attribute_value(raw).unwrap())])
    }

    fn names(item: &Item) -> Vec<&String> {
        item[RAW].as_m().unwrap().keys().collect()
    }

    #[test]
    fn name_that_no_map_can_have_is_kept_beside_it() {
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        let form = Form::parse(format!("=1&={{}}&Body=hi&{long}=2").as_bytes());
        let mut item = item_of(&form.to_raw());
        let before = item.clone();
        pack(&mut item);
        assert_eq!(names(&item), ["Body"]);
        assert_eq!(item[MORE].as_l().unwrap().len(), 2);
        unpack(&mut item);
        assert_eq!(item, before);
    }

    #[test]
    fn ordinary_form_has_nothing_beside_its_map() {
        let mut item = item_of(&Form::parse(b"Body=&From=a").to_raw());
        let before = item.clone();
        pack(&mut item);
        assert_eq!(item, before);
    }

    proptest! {
        #[test]
        fn any_form_comes_back_and_no_name_of_its_map_is_empty(
            pairs in prop::collection::vec((prop_oneof![Just(String::new()), any::<String>()], any::<String>()), 0..12),
        ) {
            let raw = pairs.into_iter().collect::<Form>().to_raw();
            let mut item = item_of(&raw);
            pack(&mut item);
            prop_assert!(names(&item).iter().all(|name| !name.is_empty()));
            unpack(&mut item);
            let read: RawForm = serde_dynamo::from_attribute_value(item[RAW].clone()).unwrap();
            prop_assert_eq!(read, raw);
        }
    }
}
