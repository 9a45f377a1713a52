use domain::templates::{Locale, TemplateShape, TemplateStatus, VariableUses};

use super::*;

fn template() -> RegisteredTemplate {
    let names = [("1".to_owned(), 2), ("2".to_owned(), 0)].into();
    RegisteredTemplate {
        sid: "HX00000000000000000000000000000001".parse().unwrap(),
        name: Some("order_update".to_owned()),
        locale: Some(Locale::of("pt_BR")),
        created_at: None,
        registered_at: "2026-11-20T09:00:00.5Z".parse().unwrap(),
        shape: TemplateShape {
            whatsapp_type: Some("twilio/text".to_owned()),
            whatsapp_variables: VariableUses { names, body_chars: 40 },
            sms_variables: Some(VariableUses::default()),
            other_variables: ["3".to_owned()].into(),
            ..TemplateShape::default()
        },
        status: TemplateStatus::Paused,
        status_at: "2026-11-20T10:00:00Z".parse().unwrap(),
        category: Some("utility".to_owned()),
        category_at: None,
        quality: Some("red".to_owned()),
        quality_at: Some("2026-11-20T10:00:00Z".parse().unwrap()),
        rejection_reason: None,
        last_used_on: Some(jiff::civil::date(2026, 11, 19)),
    }
}

fn item(template: &RegisteredTemplate) -> Item {
    let account_sid = "AC00000000000000000000000000000001".parse().unwrap();
    let mut item = key(&account_sid, template.sid.as_str());
    item.insert("entry".to_owned(), entry(template).unwrap());
    item.insert("revision".to_owned(), number(3));
    item.extend(template.last_used_on.map(|day| ("last_used_on".to_owned(), text(day))));
    item
}

#[test]
fn template_is_read_back_from_its_item() {
    let template = template();
    assert_eq!(read(item(&template)).unwrap(), StoredTemplate { template, revision: 3 });
}

#[test]
fn entry_of_a_template_with_a_hundred_variables_is_small() {
    let mut template = template();
    let names = (0..100).map(|index| (format!("variable_{index:07}"), 1)).collect();
    template.shape.whatsapp_variables.names = names;
    template.shape.sms_variables = Some(template.shape.whatsapp_variables.clone());
    let json = serde_json::to_string(&template).unwrap();
    // An item of DynamoDB holds 400 KB, and 25 of them are written in one transaction of at most 4 MB.
    assert!(json.len() < 10_000, "{}", json.len());
}

#[test]
fn item_that_is_half_written_is_an_error() {
    let mut half = item(&template());
    half.insert("entry".to_owned(), AttributeValue::M(Item::from([("sid".to_owned(), text("HX1"))])));
    assert!(read(half.clone()).is_err());
    assert!(read(Item::new()).is_err());
    let key = template().sid.to_string();
    assert_eq!(FoundTemplate::read(half), FoundTemplate::Unreadable(UnreadableTemplate { key, revision: Some(3) }));
}
