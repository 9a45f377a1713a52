use serde_json::json;

use super::*;
use crate::{
    notification::{Category, FallbackChannel, Notification},
    opt_out_keywords::Language,
    opt_out_request::RequestedScope,
    route::Route,
    suppression::OptOutScope,
};

const ONE: &str = "AC00000000000000000000000000000001";
const TWO: &str = "AC00000000000000000000000000000002";
const THREE: &str = "AC00000000000000000000000000000003";
const SERVICE: &str = "MG00000000000000000000000000000001";
const BRAZIL: &str = "MG00000000000000000000000000000002";
const VERIFY: &str = "VA00000000000000000000000000000001";
const MEXICO: &str = "whatsapp:+525550001234";

fn sid(text: &str) -> AccountSid {
    text.parse().unwrap()
}

/// One account has the deployment's defaults, the other one is in the document.
fn tenants(of_two: &Value) -> Tenants {
    let parameters = AccountSettings {
        senders: Some(SERVICE.parse().unwrap()).into(),
        policy: r#"{"rates": {"default": {"per_second": 7}}}"#.parse().unwrap(),
        verify: VerifySettings {
            service_sid: VERIFY.parse().ok(),
            code_minutes: "5".parse().unwrap(),
            ..VerifySettings::default()
        },
        ..AccountSettings::default()
    };
    let document = json!({"format": 1, "accounts": {TWO: of_two}}).to_string();
    Tenants::of_parameters(Arc::new(parameters), Some(sid(ONE)))
        .with_document(3, TenantsDocument::parse(&document).unwrap())
}

fn rate_key(tenants: &Tenants, account: &str, to: &str, channel: FallbackChannel) -> Option<String> {
    let notification = json!({"id": "a", "to": to, "category": "service", "content": {"type": "text", "body": "Hi"}});
    let notification = Notification::parse(&notification.to_string()).unwrap();
    Route::of(&notification, channel, &tenants.of(&sid(account)).senders).ok().map(|route| route.rate_key())
}

#[test]
fn account_has_its_own_sections_and_the_parameters_for_the_rest() {
    let tenants = tenants(&json!({
        "name": "Acme", "policy": {"rates": {"default": {"per_second": 40}}}, "retention_days": 90,
        "opt_out": {"scope": "sender", "languages": ["pt"], "confirmations": {"pt": {"stop": "Pronto. Envie START."}}},
    }));
    let (one, two, three) = (tenants.of(&sid(ONE)), tenants.of(&sid(TWO)), tenants.of(&sid(THREE)));
    assert_eq!([one, two, three].map(|settings| settings.policy.rate_limit("x").per_second()), [7, 40, 7]);
    assert_eq!(two.retention, "90".parse().unwrap());
    assert_eq!((one.opt_out.scope, two.opt_out.scope), (OptOutScope::All, OptOutScope::Sender));
    let confirmation =
        |settings: &AccountSettings, scope| settings.opt_out.confirmation(Language::Portuguese, scope).to_owned();
    assert_eq!(confirmation(two, RequestedScope::All), "Pronto. Envie START.");
    assert_eq!(confirmation(two, RequestedScope::Marketing), confirmation(one, RequestedScope::Marketing));
    assert_eq!(tenants.version(), Some(3));
}

#[test]
fn accounts_with_the_known_words_share_them() {
    let accounts = json!({ONE: {"opt_out": {"scope": "sender"}}, TWO: {"opt_out": {}},
                          THREE: {"opt_out": {"languages": ["pt"]}}});
    let document = TenantsDocument::parse(&json!({"format": 1, "accounts": accounts}).to_string()).unwrap();
    let tenants = Tenants::default().with_document(1, document);
    let [one, two, three] = [ONE, TWO, THREE].map(|account| &tenants.of(&sid(account)).opt_out.keywords);
    assert!(Arc::ptr_eq(one, two) && !Arc::ptr_eq(one, three), "a document names many accounts");
}

#[test]
fn sender_of_the_parameters_is_not_another_tenants() {
    use FallbackChannel::{Sms, WhatsApp};
    let tenants = tenants(&json!({"name": "Acme"}));
    for channel in [WhatsApp, Sms] {
        assert!(rate_key(&tenants, ONE, "+14155550123", channel).is_some());
        assert_eq!(rate_key(&tenants, TWO, "+14155550123", channel), None, "the document names no sender");
        assert!(rate_key(&tenants, THREE, "+14155550123", channel).is_some(), "as before there was a document");
    }
}

#[test]
fn verify_service_of_the_parameters_is_not_another_tenants() {
    let service = |tenants: &Tenants, account| tenants.of(&sid(account)).verify.service_sid.clone();
    let tenants_without = tenants(&json!({"name": "Acme"}));
    assert_eq!([ONE, TWO, THREE].map(|account| service(&tenants_without, account)), [VERIFY.parse().ok(), None, None]);
    assert_eq!(tenants_without.of(&sid(TWO)).verify.code_minutes, "5".parse().unwrap(), "the rest of the parameters");

    let own = "VA00000000000000000000000000000002";
    let tenants = tenants(&json!({"verify": {"service_sid": own, "channels": ["sms"]}}));
    let settings = &tenants.of(&sid(TWO)).verify;
    assert_eq!((settings.service_sid.clone(), settings.channels.as_slice().len()), (own.parse().ok(), 1));
    assert_eq!(settings.code_minutes, "10".parse().unwrap(), "the section replaces the parameters as a whole");
    assert_eq!(service(&tenants, ONE), VERIFY.parse().ok());
}

#[test]
fn route_is_chosen_by_the_recipients_country() {
    use FallbackChannel::{Sms, WhatsApp};
    let tenants = tenants(&json!({
        "messaging_service_sid": SERVICE,
        "routes": [{"countries": ["BR", "PT"], "messaging_service_sid": BRAZIL}, {"countries": ["MX"], "from": MEXICO}],
    }));
    for (to, on_whatsapp, by_sms) in [
        ("+5511987654321", BRAZIL, BRAZIL),
        ("+351912345678", BRAZIL, BRAZIL),
        ("+525512345678", MEXICO, SERVICE),
        ("+14155550123", SERVICE, SERVICE),
        ("+88312345678", SERVICE, SERVICE),
    ] {
        assert_eq!(rate_key(&tenants, TWO, to, WhatsApp).as_deref(), Some(on_whatsapp), "{to}");
        assert_eq!(rate_key(&tenants, TWO, to, Sms), Some(format!("sms:{by_sms}")), "{to}");
    }
    assert_eq!(rate_key(&tenants, TWO, "BR.13491208655302741918", WhatsApp).as_deref(), Some(BRAZIL));
    assert_eq!(rate_key(&tenants, TWO, "US.13491208655302741918", WhatsApp).as_deref(), Some(SERVICE));
}

#[test]
fn what_depends_on_the_route_follows_the_country() {
    let tenants = tenants(&json!({"routes": [{"countries": ["MX"], "from": MEXICO}]}));
    let notification = json!({"id": "a", "to": "+525512345678", "category": "service",
                              "content": {"type": "text", "body": "Hola"}});
    let notification = Notification::parse(&notification.to_string()).unwrap();
    let route = Route::of(&notification, FallbackChannel::WhatsApp, &tenants.of(&sid(TWO)).senders).unwrap();
    assert_eq!(route.from().map(ToString::to_string).as_deref(), Some(MEXICO));
    assert_eq!(route.window().unwrap().sender(), MEXICO);
    assert!(route.scopes(Category::Service).iter().any(|scope| scope.as_text() == MEXICO));
    assert!(route.pause_scopes(Category::Service).iter().any(|scope| scope.to_string().ends_with(MEXICO)));
}

#[test]
fn caller_reaches_the_accounts_that_list_it() {
    let shop = "arn:aws:sts::123456789012:assumed-role/shop/session";
    let other = "arn:aws:sts::123456789012:assumed-role/other/session";
    let tenants = tenants(&json!({"callers": ["arn:aws:iam::123456789012:role/shop"]}));
    for (account, caller, expected) in [
        (TWO, Some(shop), true),
        (TWO, Some(other), false),
        (TWO, None, false),
        (ONE, Some(shop), false),
        (ONE, Some(other), true),
        (THREE, Some(shop), false),
        (ONE, None, true),
    ] {
        assert_eq!(tenants.allows(&sid(account), caller), expected, "{account} {caller:?}");
    }
    let open = Tenants::of_parameters(Arc::default(), Some(sid(ONE)));
    assert!(open.allows(&sid(TWO), Some(shop)), "without a document");
}

#[test]
fn file_of_an_account_is_not_another_tenants() {
    let tenants = tenants(&json!({}));
    for (key, owners) in [
        (format!("uploads/{TWO}/a.jpg"), [false, true, false]),
        (format!("inbound/{ONE}/SM1/0"), [true, false, false]),
        ("uploads/a.jpg".to_owned(), [true, false, true]),
        ("brochure.pdf".to_owned(), [true, false, true]),
    ] {
        let key = key.parse().unwrap();
        assert_eq!([ONE, TWO, THREE].map(|account| tenants.owns(&sid(account), &key)), owners, "{key}");
    }
}

#[test]
fn invalid_document_is_refused_by_its_field() {
    let account = |settings: &Value| json!({"format": 1, "accounts": {TWO: settings}});
    let keywords = json!({"opt_out": {"languages": ["pt"], "keywords": {"fr": {"stop": {"add": ["ASSEZ"]}}}}});
    for (document, field) in [
        (json!([]), "body"),
        (json!({"accounts": {}}), "format"),
        (json!({"format": 2, "new": {}}), "format"),
        (json!({"format": 1}), "accounts"),
        (json!({"format": 1, "accounts": {"AC1": {}}}), "accounts.AC1"),
        (account(&json!({"senders": []})), "accounts.AC00000000000000000000000000000002.senders"),
        (account(&json!({"name": ""})), "accounts.AC00000000000000000000000000000002.name"),
        (account(&json!({"callers": []})), "accounts.AC00000000000000000000000000000002.callers"),
        (account(&json!({"callers": ["*"]})), "accounts.AC00000000000000000000000000000002.callers[0]"),
        (
            account(&json!({"policy": {"rates": {"default": {"per_second": 0}}}})),
            "accounts.AC00000000000000000000000000000002.policy.rates.default.per_second",
        ),
        (
            account(&json!({"verify": {"service_sid": "MG00000000000000000000000000000001"}})),
            "accounts.AC00000000000000000000000000000002.verify.service_sid",
        ),
        (
            account(&json!({"verify": {"channels": ["call"]}})),
            "accounts.AC00000000000000000000000000000002.verify.channels[0]",
        ),
        (account(&json!({"from": "+14155238886"})), "accounts.AC00000000000000000000000000000002.from"),
        (account(&json!({"retention_days": 13})), "accounts.AC00000000000000000000000000000002.retention_days"),
        (account(&json!({"routes": [{"countries": ["BR"]}]})), "accounts.AC00000000000000000000000000000002.routes[0]"),
        (account(&json!({"opt_out": {"scope": "some"}})), "accounts.AC00000000000000000000000000000002.opt_out.scope"),
        (
            account(&json!({"opt_out": {"confirmations": {"en": {"stop": " "}}}})),
            "accounts.AC00000000000000000000000000000002.opt_out.confirmations.en.stop",
        ),
        (account(&keywords), "accounts.AC00000000000000000000000000000002.opt_out.keywords.fr.stop.add"),
    ] {
        let error = TenantsDocument::parse(&document.to_string()).unwrap_err();
        assert_eq!(error.field, field, "{error}");
    }
    let twice = format!(r#"{{"format": 1, "accounts": {{"{TWO}": {{}}, "{TWO}": {{}}}}}}"#);
    assert!(TenantsDocument::parse(&twice).unwrap_err().problem.starts_with("given twice"));
    let large = format!(r#"{{"format": 1, "accounts": {{}}}}{}"#, " ".repeat(MAX_DOCUMENT_BYTES));
    assert!(TenantsDocument::parse(&large).unwrap_err().problem.contains("300000 bytes"));
}

#[test]
fn error_shows_no_value() {
    let document = json!({"format": 1, "accounts": {TWO: {"from": "whatsapp:private-number", "name": "private\n"}}});
    let error = TenantsDocument::parse(&document.to_string()).unwrap_err().to_string();
    assert!(!error.contains("private"), "{error}");
}

#[test]
fn difference_names_the_changed_fields() {
    let before = json!({"format": 1, "accounts": {TWO: {"name": "Acme", "retention_days": 30}}});
    let after = json!({"format": 1, "accounts": {TWO: {"name": "Acme", "retention_days": 90}, THREE: {}}});
    let found = TenantsDocument::differences(&before, &after);
    let paths: Vec<_> = found.iter().map(|found| found.path.as_str()).collect();
    assert_eq!(paths, [format!("accounts.{TWO}.retention_days"), format!("accounts.{THREE}")]);
    assert_eq!((&found[0].before, &found[0].after), (&Some(json!(30)), &Some(json!(90))));
    assert_eq!(TenantsDocument::differences(&before, &before), []);
}

#[test]
fn document_of_the_documentation_is_valid() {
    let page = include_str!("../../../../docs/tenants.md");
    let (_, rest) = page.split_once("```json\n").unwrap();
    let document = TenantsDocument::parse(rest.split("```").next().unwrap()).unwrap();
    assert_eq!(document.accounts().map(ToString::to_string).collect::<Vec<_>>(), [TWO]);
}

#[test]
fn document_holds_more_than_a_thousand_accounts() {
    // The number of accounts that fit, each with a policy and a route, is far above what one deployment has.
    let settings = json!({"policy": {"rates": {"default": {"per_second": 40}}}, "messaging_service_sid": SERVICE});
    let accounts: serde_json::Map<_, _> = (0..1_500).map(|n| (format!("AC{n:032x}"), settings.clone())).collect();
    let document = json!({"format": 1, "accounts": accounts}).to_string();
    assert!(document.len() < MAX_DOCUMENT_BYTES, "{}", document.len());
    assert_eq!(TenantsDocument::parse(&document).unwrap().accounts().count(), 1_500);
}
