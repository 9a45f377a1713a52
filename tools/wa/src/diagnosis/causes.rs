//! The search for the part that differs, the likeliest difference first.

use domain::digest::sha256_hex;
use twilio_webhook::form::Form;

use super::{
    RequestContent, RequestPart, SignatureFinding, SigningKey, VerificationContext, WebhookRequest, forms, urls,
};

impl WebhookRequest {
    pub(super) fn find_difference(&self, own: &[&SigningKey], context: &VerificationContext) -> SignatureFinding {
        self.another_body(own)
            .or_else(|| self.another_url(own, context))
            .or_else(|| self.other_parameters(own))
            .or_else(|| self.another_key(own, &context.keys))
            .or_else(|| self.url_and_another_part(own, context))
            .unwrap_or_else(unexplained)
    }

    fn another_body(&self, keys: &[&SigningKey]) -> Option<SignatureFinding> {
        let RequestContent::Body(body) = &self.content else { return None };
        let (name, hash) = ("bodySHA256", sha256_hex(body));
        let Some((before, rest)) = self.url.split_once(&format!("{name}=")) else {
            let finding = format!("the URL has no {name}, without which no signature covers a body that is not a form");
            let fix = "check with the query that Twilio sent, or as a form";
            return Some(SignatureFinding::new(RequestPart::Body, finding, fix));
        };
        let (signed_hash, rest) = rest.split_at(rest.find(['&', '#']).unwrap_or(rest.len()));
        if signed_hash.eq_ignore_ascii_case(&hash) {
            return None;
        }
        // The signature shows which of the two was changed on the way: the body, or the hash in the URL.
        let with_hash = self.with_url(&format!("{before}{name}={hash}{rest}"));
        if with_hash.signed_by(keys).is_some() {
            let finding = format!("{name} in the URL was changed: Twilio signed {hash}, which is that of the body");
            return Some(SignatureFinding::new(RequestPart::Url, finding, "leave the query as Twilio sent it"));
        }
        let finding = if self.with_form(&Form::default()).signed_by(keys).is_some() {
            "the URL is signed, but the body is not the one that Twilio sent: its SHA-256 is not bodySHA256"
        } else {
            "the body's SHA-256 is not bodySHA256, and the URL's own signature does not match either"
        };
        let fix = "use the bytes of the body as they came, before anything parses them and writes them again";
        Some(SignatureFinding::new(RequestPart::Body, finding, fix))
    }

    fn another_url(&self, keys: &[&SigningKey], context: &VerificationContext) -> Option<SignatureFinding> {
        let mut variants = urls::variants(&self.url, &context.base_urls).into_iter();
        let found = variants.find(|variant| self.with_url(&variant.value).signed_by(keys).is_some())?;
        let finding = format!("signed for {}: {}", found.value, found.finding);
        Some(SignatureFinding::new(RequestPart::Url, finding, found.fix))
    }

    fn other_parameters(&self, keys: &[&SigningKey]) -> Option<SignatureFinding> {
        let RequestContent::Form(form) = &self.content else { return None };
        let mut variants = forms::variants(form).into_iter();
        let found = variants.find(|variant| self.with_form(&variant.value).signed_by(keys).is_some())?;
        Some(SignatureFinding::new(RequestPart::Parameters, found.finding, found.fix))
    }

    fn another_key(&self, own: &[&SigningKey], all: &[SigningKey]) -> Option<SignatureFinding> {
        let signer = self.signed_by(&keys_of_others(own, all))?;
        let owner = signer.account_sid.as_ref().map_or_else(String::new, |sid| format!(" of {sid}"));
        let finding = format!("signed with {}{owner}, while the form's AccountSid is another account", signer.role);
        let fix = "leave AccountSid as Twilio sent it, or put that token under the account it belongs to in the secret";
        Some(SignatureFinding::new(RequestPart::Key, finding, fix))
    }

    /// Two differences at once, of those pairs that occur together: the URL and one other part.
    fn url_and_another_part(&self, own: &[&SigningKey], context: &VerificationContext) -> Option<SignatureFinding> {
        let others = keys_of_others(own, &context.keys);
        for url in urls::variants(&self.url, &context.base_urls) {
            let request = self.with_url(&url.value);
            let also = request.other_parameters(own).or_else(|| {
                let signer = request.signed_by(&others)?;
                let finding = format!("signed with {} of another account", signer.role);
                Some(SignatureFinding::new(RequestPart::Key, finding, "put it under AccountSid's account"))
            });
            if let Some(also) = also {
                let finding = format!("signed for {}: {}; and {}", url.value, url.finding, also.finding);
                let fix = format!("{}; and {}", url.fix, also.fix);
                return Some(SignatureFinding::new(RequestPart::Url, finding, fix));
            }
        }
        None
    }
}

fn keys_of_others<'a>(own: &[&SigningKey], all: &'a [SigningKey]) -> Vec<&'a SigningKey> {
    all.iter().filter(|key| !own.iter().any(|own| std::ptr::eq(*own, *key))).collect()
}

fn unexplained() -> SignatureFinding {
    SignatureFinding::new(
        RequestPart::Unknown,
        "no known key signed this request, nor one that differs from it in any of the usual ways",
        "compare the account's primary auth token in the Twilio Console with the secret's (`wa doctor` tries it), and \
         the URL with the one that is set at Twilio, letter by letter",
    )
}
