//! What the registry of templates costs a notification that names one.

use std::{collections::BTreeMap, hint::black_box, time::Instant};

use domain::{
    notification::{FallbackChannel, Template},
    template_settings::TemplateSettings,
    templates::{
        ListedTemplate, Locale, TemplateRegistry, TemplateShape, TemplateStatus, TemplateUse, check_variables,
    },
};
use jiff::Timestamp;
use serde_json::{Map, json};

use super::{
    median,
    table::{Limit, ReportTable},
};

/// As many approved templates as an account has at most (Twilio, "Content API resources").
const TEMPLATES: usize = 6_000;
const LOCALES: [&str; 10] = ["en", "pt", "es", "fr", "de", "it", "nl", "id", "hi", "ar"];
const ROUNDS: usize = 101;
const CHOICES: usize = 100;

/// Measures the choice of a template by its name and locale, the last one that is tried, and the check of its values.
pub fn templates(table: &mut ReportTable) {
    let text = json!({"body": "Hello {{1}}, your order {{2}} is on its way, and comes on {{3}}."});
    let types: Map<_, _> = [("twilio/text".to_owned(), text)].into_iter().collect();
    let shape = TemplateShape::of(&types, None, ["1", "2", "3"]);
    let listed = |number: usize| ListedTemplate {
        sid: format!("HX{number:032}").parse().unwrap_or_else(|_| unreachable!("32 digits")),
        name: Some(format!("order_update_{}", number / 10)),
        locale: LOCALES.get(number % LOCALES.len()).map(|locale| Locale::of(locale)),
        created_at: None,
        shape: shape.clone(),
        status: TemplateStatus::Approved,
        category: None,
        rejection_reason: None,
    };
    let now = Timestamp::now();
    let registry = TemplateRegistry::new((0..TEMPLATES).map(|number| listed(number).registered(now)), Some(now));
    let settings = TemplateSettings::default();
    let template = Template::Named { name: "order_update_300".to_owned(), locale: Some("pl-PL".to_owned()) };
    let variables: BTreeMap<_, _> =
        [("1", "Ava"), ("2", "18473"), ("3", "Friday")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let usage = TemplateUse { channel: FallbackChannel::WhatsApp, window_is_open: false };
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        for _ in 0..CHOICES {
            let chosen = registry.find(black_box(&template), &settings, usage);
            let checked = chosen.ok().flatten().map(|found| check_variables(found, usage.channel, &variables));
            let _ = black_box(checked);
        }
        times.push(begin.elapsed());
    }
    #[expect(clippy::cast_precision_loss, reason = "a hundred")]
    let each = median(times).as_secs_f64() * 1_000_000.0 / CHOICES as f64;
    table.add("choice and check of a named template of 6,000", each, "us", Some(Limit::AtMost(50.0)));
}
