//! What comes from Twilio, or from anybody who knows the URL: forms and their signatures.

use std::sync::LazyLock;

use domain::{
    callback_url::CallbackOrigin,
    opt_out_keywords::Keywords,
    opt_out_request::{Intent, Origin},
};
use fuzz::{Mutator, Understood, fuzz, seeds::forms};
use twilio_webhook::{
    form::{Form, RawForm},
    signature::{
        SIGNATURE, SIGNATURE_SETTINGS, SigningKeys, TrustedForm, UnverifiedRequest, Verified, sign,
        sign_with_shared_key,
    },
    twiml,
    webhook::Webhook,
};

const URL: &str = "https://wa.example.com/twilio/status?attempt=1&notification=order%2F1";

static KEYWORDS: LazyLock<Keywords> = LazyLock::new(Keywords::default);

#[test]
fn forms_are_read_without_a_panic() {
    fuzz(|mutator| {
        let form = Form::parse(&mutator.form(forms()));
        let raw = form.to_raw();
        let read: RawForm = serde_json::from_str(&serde_json::to_string(&raw).unwrap()).unwrap();
        assert!(read == raw, "the raw form is another in JSON");
        let Ok(webhook) = Webhook::of(TrustedForm::Stored(&form)) else { return Understood::No };
        if let Webhook::Inbound(message) = &webhook {
            for origin in [Origin::Webhook, Origin::MessageList] {
                let _ = Intent::of(message, origin, &KEYWORDS);
            }
            assert!(twiml::message(&message.body).ends_with("</Message></Response>"));
        }
        Understood::Yes
    });
}

#[test]
fn stored_forms_are_read_as_they_were() {
    fuzz(|mutator| {
        let form = Form::parse(&mutator.form(forms()));
        let stored = Form::from(form.to_raw());
        let [arrived, read] = [&form, &stored].map(|form| Webhook::of(TrustedForm::Stored(form)));
        assert!(arrived == read, "{arrived:?}");
        Understood::if_ok(&arrived)
    });
}

#[test]
fn queries_of_callbacks_are_read_without_a_panic() {
    fuzz(|mutator| {
        let query =
            String::from_utf8_lossy(&mutator.form(&["notification=order%2F1&attempt=2".to_owned()])).into_owned();
        Understood::when(CallbackOrigin::in_query(&query).is_some())
    });
}

/// A request that Twilio signed, and what it is changed to.
struct Signed {
    keys: SigningKeys,
    url: String,
    params: Vec<(String, String)>,
    signature: String,
    settings: Option<String>,
}

impl Signed {
    fn new(mutator: &mut Mutator<'_>) -> Self {
        let url = if mutator.one_in(4) { mutator.changed_text(URL).replace('#', "") } else { URL.to_owned() };
        let params = mutator.params(forms());
        let form: Form = params.iter().cloned().collect();
        let keys = SigningKeys::from_auth_tokens(["primary", "secondary"]).with_shared_key("key_1", "shared");
        let (signature, settings) = match mutator.below(4) {
            0 => (
                sign_with_shared_key(&"shared".into(), &url, &form),
                Some("key=key_1,algorithm=HMAC_SHA256".to_owned()),
            ),
            1 => (sign(&"secondary".into(), &url, &form), Some("algorithm=HMAC_SHA1".to_owned())),
            _ => (sign(&"primary".into(), &url, &form), None),
        };
        Self { keys, url, params, signature, settings }
    }

    /// Changes one thing, or nothing.
    fn mutate(&mut self, mutator: &mut Mutator<'_>) {
        match mutator.below(6) {
            0 => self.url = mutator.changed_text(&self.url),
            1 => self.signature = mutator.changed_text(&self.signature),
            2 => self.settings = Some(mutator.text()),
            3 => self.params = mutator.params(forms()),
            4 => {
                let place = mutator.below(self.params.len().max(1));
                if let Some((name, value)) = self.params.get_mut(place) {
                    let changed = if mutator.one_in(2) { name } else { value };
                    *changed = mutator.changed_text(changed);
                }
            }
            _ => {}
        }
    }

    fn body(&self) -> String {
        form_body(&self.params)
    }

    fn verify(&self) -> Option<Verified> {
        let header = |name: &str| match name {
            SIGNATURE => Some(self.signature.clone()),
            SIGNATURE_SETTINGS => self.settings.clone(),
            _ => None,
        };
        UnverifiedRequest::from_lookup(self.url.as_str(), header, self.body()).verify(&self.keys).ok()
    }

    /// What the signature covers, in a form that is the same for all spellings of it: decoded, without the port, the user, the
    /// fragment and dots, the query sorted.
    fn canonical(&self) -> (Vec<String>, String) {
        // Raw tabs and line ends, and what ends a URL, are no part of it (URL Standard).
        let url: String = self.url.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
        let url = url.split('#').next().unwrap().trim_end_matches(|c| c <= ' ');
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '\\']).unwrap_or(rest.len()));
        let host = authority.rsplit('@').next().unwrap().split(':').next().unwrap();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let decoded = |text: &str| {
            let decoded = Form::parse(text.replace('&', "%26").replace('=', "%3D").as_bytes());
            decoded.pairs().first().map(|(name, _)| name.clone()).unwrap_or_default().trim().to_owned()
        };
        let mut segments: Vec<String> = Vec::new();
        for segment in path.trim_end_matches(';').split(['/', '\\']).map(decoded) {
            match segment.as_str() {
                "" | "." => {}
                ".." => drop(segments.pop()),
                _ => segments.push(segment),
            }
        }
        let mut query: Vec<_> = Form::parse(query.as_bytes()).pairs().to_vec();
        query.retain(|(name, value)| !(name.is_empty() && value.is_empty()));
        query.sort();
        let mut parts = vec![scheme.to_lowercase(), host.to_lowercase()];
        parts.extend(segments);
        parts.extend(query.into_iter().flat_map(|(name, value)| [name, value.trim().to_owned()]));
        let mut params = Form::parse(self.body().as_bytes()).pairs().to_vec();
        params.sort();
        params.dedup();
        (parts, params.into_iter().map(|(name, value)| name + &value).collect())
    }
}

fn form_body(params: &[(String, String)]) -> String {
    let pair = |(name, value): &(String, String)| format!("{}={}", escaped(name), escaped(value));
    params.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

#[test]
fn a_changed_request_is_refused_unless_it_says_the_same() {
    fuzz(|mutator| {
        let mut request = Signed::new(mutator);
        assert!(request.verify().is_some(), "what was signed is refused: {}", request.url);
        let (signed, signature) = (request.canonical(), request.signature.clone());
        request.mutate(mutator);
        let Some(verified) = request.verify() else { return Understood::No };
        assert_eq!(request.signature, signature);
        assert_eq!(request.canonical(), signed);
        assert!(matches!(verified, Verified::Form(_)));
        Understood::Yes
    });
}

#[test]
fn any_request_is_verified_without_a_panic() {
    fuzz(|mutator| {
        let keys = SigningKeys::from_auth_tokens([mutator.text()]).with_shared_key("key_1", mutator.text());
        let url = if mutator.one_in(2) { mutator.text() } else { mutator.changed_text(URL) };
        let [signature, settings, content_type] = [(); 3].map(|()| mutator.one_in(2).then(|| mutator.text()));
        let header = |name: &str| match name {
            SIGNATURE => signature.clone(),
            SIGNATURE_SETTINGS => settings.clone(),
            _ => content_type.clone(),
        };
        let request = UnverifiedRequest::from_lookup(url, header, mutator.form(forms()));
        assert!(request.verify(&keys).is_err(), "it is not signed");
        Understood::when(request.unverified_form().is_some())
    });
}
