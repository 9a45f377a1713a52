//! Spooled webhooks are applied in any order: the tables then hold the same, but for what says in which order it was written.

use std::time::Duration;

use domain::{account_settings::AccountSettings, limits::Retention, preference::Preference};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde_json::Value;
use stack::run::ACCOUNT_SID;
use stores::{
    dynamodb::{Item, StoreError},
    messages::{MessageArrival, Messages, RecordOutcome},
    record_inbound::InboundRecorder,
    record_status::StatusRecorder,
};
use twilio_webhook::{form::Form, signature::TrustedForm, webhook::Webhook};

use crate::world::{Person, World, new_sid, subject_of_message};

/// What one person's webhooks name. Each order has its own.
struct Names {
    number: String,
    user_id: String,
    sids: [String; 5],
}

/// A webhook: what the person wrote, or the status of a message.
#[derive(Clone, Copy)]
enum Step {
    Wrote { body: &'static str, with_user_id: bool },
    Status(&'static str),
}

/// Ten seconds apart: a STOP wins over a START that is less than two seconds newer, because clocks differ, if it is recorded
/// after it.
const STEPS: [Step; 5] = [
    Step::Wrote { body: "Hello", with_user_id: false },
    Step::Wrote { body: "STOP", with_user_id: false },
    Step::Wrote { body: "START", with_user_id: false },
    Step::Wrote { body: "STOP", with_user_id: true },
    Step::Status("delivered"),
];

impl Names {
    fn new() -> Self {
        let (number, user_id) = (Person::new().identity, Person::without_number().identity);
        Self { number, user_id, sids: std::array::from_fn(|_| new_sid()) }
    }

    fn form(&self, index: usize) -> Form {
        let (from, sender) = (format!("whatsapp:{}", self.number), "whatsapp:+14155238886".to_owned());
        let mut pairs = vec![("MessageSid", self.sids[index].clone()), ("AccountSid", ACCOUNT_SID.to_owned())];
        match STEPS[index] {
            Step::Wrote { body, with_user_id } => {
                pairs.extend([("From", from), ("To", sender), ("Body", body.to_owned())]);
                pairs.extend(with_user_id.then(|| ("ExternalUserId", format!("whatsapp:{}", self.user_id))));
            }
            Step::Status(status) => {
                pairs.extend([("MessageStatus", status.to_owned()), ("To", from), ("From", sender)]);
            }
        }
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// An item as text, with the same words for what each order has its own.
    fn normal(&self, mut item: Item, without: &[&str]) -> String {
        for name in without {
            item.remove(*name);
        }
        let value: Value = serde_dynamo::from_item(item).unwrap();
        let mut text = value.to_string().replace(&self.number, "NUMBER").replace(&self.user_id, "USER_ID");
        for (index, sid) in self.sids.iter().enumerate() {
            text = text.replace(sid, &format!("SID{index}"));
        }
        text
    }
}

async fn recorder(world: &World) -> InboundRecorder {
    InboundRecorder::new(world.dynamodb.clone(), messages(world), world.contacts().await)
}

fn messages(world: &World) -> Messages {
    Messages::new(world.dynamodb.clone(), world.stack.outputs.messages_table_name.clone())
}

/// Records the steps in an order, each with the time at which it arrived.
async fn apply(world: &World, names: &Names, order: &[usize], begin: Timestamp) -> Result<(), StoreError> {
    let (inbound, statuses) = (recorder(world).await, StatusRecorder::new(messages(world)));
    let settings = AccountSettings::default();
    for index in order {
        let form = names.form(*index);
        let form = TrustedForm::Stored(&form);
        let seconds = u64::try_from(*index).unwrap() * 10;
        let arrival = MessageArrival::answered_webhook(begin + Duration::from_secs(seconds));
        match Webhook::of(form).unwrap() {
            Webhook::Inbound(message) => drop(inbound.record(&message, form, arrival, &settings).await?),
            Webhook::Status(callback) => {
                drop(statuses.record(&callback, form, None, arrival, Retention::default()).await?);
            }
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}

/// Everything that is stored of the person and the messages.
async fn state(world: &World, names: &Names) -> Vec<String> {
    // What changed is what the order shows: the version, why an item was written last, and what a message changed then.
    let of_order = ["version", "last_change", "preference_change", "expires_at"];
    let mut state = Vec::new();
    for identity in [&names.number, &names.user_id] {
        let query = world.dynamodb.query().table_name(&world.stack.outputs.contacts_table_name).consistent_read(true);
        let query = query.key_condition_expression("contact = :contact");
        let contact = aws_sdk_dynamodb::types::AttributeValue::S(format!("{ACCOUNT_SID}#{identity}"));
        let items = query.expression_attribute_values(":contact", contact).send().await.unwrap().items;
        state.extend(items.unwrap_or_default().into_iter().map(|item| names.normal(item, &of_order)));
    }
    for sid in &names.sids {
        let items = world.items_of(&subject_of_message(sid)).await;
        assert_eq!(items.len(), 1);
        state.extend(items.into_iter().map(|item| names.normal(item, &["preference"])));
    }
    state.sort();
    state
}

/// All orders of the steps.
fn orders(steps: &[usize]) -> Vec<Vec<usize>> {
    if steps.is_empty() {
        return vec![Vec::new()];
    }
    let first = |index: usize| {
        let rest: Vec<usize> = steps.iter().copied().filter(|step| *step != index).collect();
        orders(&rest).into_iter().map(move |order| [vec![index], order].concat())
    };
    steps.iter().flat_map(|index| first(*index)).collect()
}

/// Twilio's list does not say that the message was a STOP, as by a button.
#[tokio::test]
async fn stop_counts_although_reconcile_stored_its_message_first() {
    let (world, person, sid) = (World::new(), Person::new(), new_sid());
    let recorder = recorder(&world).await;
    let settings = AccountSettings::default();
    let mut pairs = vec![
        ("MessageSid".to_owned(), sid.clone()),
        ("AccountSid".to_owned(), ACCOUNT_SID.to_owned()),
        ("From".to_owned(), person.address()),
        ("To".to_owned(), "whatsapp:+14155238886".to_owned()),
        ("Body".to_owned(), "No, thanks".to_owned()),
    ];
    let at = Timestamp::now() - Duration::from_mins(3);
    let record = async |pairs: &[(String, String)], arrival: MessageArrival| {
        let form: Form = pairs.iter().cloned().collect();
        let form = TrustedForm::Stored(&form);
        let Webhook::Inbound(message) = Webhook::of(form).unwrap() else { panic!() };
        recorder.record(&message, form, arrival, &settings).await.unwrap().recorded
    };
    assert_eq!(record(&pairs, MessageArrival::listed(at)).await, RecordOutcome::First);
    assert_eq!(world.preference(&person).await, None);
    pairs.push(("OptOutType".to_owned(), "STOP".to_owned()));
    for _ in 0..2 {
        let outcome = record(&pairs, MessageArrival::answered_webhook(at)).await;
        assert!(matches!(outcome, RecordOutcome::Duplicate(Some(_))), "{outcome:?}");
        assert_eq!(world.preference(&person).await, Some(Preference::OptedOut));
    }
    assert_eq!(world.items(&sid).await.len(), 1);
}

#[tokio::test]
async fn webhooks_applied_in_any_order_leave_the_same_state() {
    let (world, begin) = (World::new(), Timestamp::now() - Duration::from_mins(5));
    let all = orders(&[0, 1, 2, 3, 4]);
    assert_eq!(all.len(), 120);
    let of_order = async |order: Vec<usize>| {
        let names = Names::new();
        apply(&world, &names, &order, begin).await?;
        // SQS may deliver any of them twice.
        apply(&world, &names, &order[..2], begin).await?;
        Ok::<_, StoreError>((order, state(&world, &names).await))
    };
    let states: Vec<_> = futures::stream::iter(all.into_iter().map(of_order)).buffered(4).try_collect().await.unwrap();
    let (_, expected) = &states[0];
    assert!(expected.iter().any(|item| item.contains(r#""preference":"opted_out""#)), "{expected:#?}");
    for (order, state) in &states {
        assert_eq!(state, expected, "{order:?}");
    }
}
