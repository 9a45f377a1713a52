use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;
use crate::secrets::{SecretMaxAge, tests::secrets_manager};

const KEYS: [&str; 3] = ["uploads/a.jpg", "größe/ü b+c*.pdf", "a?b#c%2F=&.pdf"];

fn until() -> Timestamp {
    Timestamp::from_second(1_795_165_200).unwrap()
}

fn signer(pair: &LinkKeyPair, id: &str) -> DomainSigner {
    let key = DomainLinkKey::new(id.to_owned(), &pair.private_key().unwrap()).unwrap();
    DomainSigner::new("https://media.example.com".parse().unwrap(), Arc::new(key))
}

/// What CloudFront does with a link, by its documentation: it builds the policy from the request, without the four parameters, and
/// verifies the signature. Gives the path.
fn verified(link: &str, public_key: &str) -> Option<String> {
    let (url, query) = link.split_once('?')?;
    let parameters: Vec<(&str, &str)> = query.split('&').filter_map(|part| part.split_once('=')).collect();
    let names: Vec<_> = parameters.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Expires", "Signature", "Key-Pair-Id", "Hash-Algorithm"]);
    let [(_, expires), (_, signature), _, (_, "SHA256")] = parameters[..] else { panic!("{query}") };
    let policy = format!(
        "{{\"Statement\":[{{\"Resource\":\"{url}\",\"Condition\":{{\"DateLessThan\":{{\"AWS:EpochTime\":{expires}}}}}}}]}}"
    );
    let signature = STANDARD.decode(signature.replace('-', "+").replace('_', "=").replace('~', "/")).ok()?;
    let der = STANDARD.decode(public_key.replace(',', "")).unwrap();
    // Of the 91 bytes the last 65 are the point of the curve (RFC 5480, section 2).
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der[26..].to_vec());
    key.verify(policy.as_bytes(), &signature).ok()?;
    url.strip_prefix("https://media.example.com").map(str::to_owned)
}

#[test]
fn link_is_verified_by_the_public_key_alone() {
    let (pair, other) = (LinkKeyPair::generate().unwrap(), LinkKeyPair::generate().unwrap());
    let signer = signer(&pair, "K2JCJMDEHXQW5F");
    let paths = ["/uploads/a.jpg", "/gr%C3%B6%C3%9Fe/%C3%BC%20b%2Bc%2A.pdf", "/a%3Fb%23c%252F%3D%26.pdf"];
    for (file, path) in KEYS.into_iter().zip(paths) {
        let link = signer.link(&file.parse().unwrap(), until()).unwrap();
        assert_eq!(verified(&link, &pair.public_key_parameter().unwrap()).as_deref(), Some(path), "{link}");
        assert_eq!(verified(&link, &other.public_key_parameter().unwrap()), None, "{link}");
        let later = link.replace("Expires=1795165200", "Expires=1795165201");
        assert_eq!(verified(&later, &pair.public_key_parameter().unwrap()), None, "{later}");
    }
}

#[test]
fn link_has_the_parameters_that_cloudfront_expects() {
    let link = signer(&LinkKeyPair::generate().unwrap(), "K2JCJMDEHXQW5F");
    let link = link.link(&"uploads/a.jpg".parse().unwrap(), until()).unwrap();
    assert!(link.starts_with("https://media.example.com/uploads/a.jpg?Expires=1795165200&Signature="), "{link}");
    assert!(link.ends_with("&Key-Pair-Id=K2JCJMDEHXQW5F&Hash-Algorithm=SHA256"), "{link}");
    let signature = link.split("Signature=").nth(1).unwrap().split('&').next().unwrap();
    let replaced = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~');
    assert!(signature.bytes().all(replaced), "{link}");
}

#[test]
fn key_pair_is_the_same_after_it_was_stored() {
    let pair = LinkKeyPair::generate().unwrap();
    let stored = pair.private_key().unwrap();
    let read = LinkKeyPair::of_private_key(&stored).unwrap();
    assert_eq!(read.public_key_parameter(), pair.public_key_parameter());
    let parameter = pair.public_key_parameter().unwrap();
    let lengths: Vec<_> = parameter.split(',').map(str::len).collect();
    assert_eq!(lengths, [64, 60], "the pattern of the template's parameters");
}

#[test]
fn key_in_an_error_or_debug_is_not_shown() {
    let pair = LinkKeyPair::generate().unwrap();
    let private_key = pair.private_key().unwrap();
    let signer = signer(&pair, "K1");
    let body = private_key.expose_secret().lines().nth(1).unwrap();
    let read = |key: &serde_json::Value| domain::json::read::<DomainLinkKeys>(&json!({"signing": key}).to_string());
    let mut shown = vec![format!("{signer:?} {pair:?}")];
    for wrong in [
        json!({"key_pair_id": "hidden-id?", "private_key": private_key.expose_secret()}),
        json!({"key_pair_id": "K1", "private_key": body}),
        json!({"key_pair_id": "K1", "private_key": "-----BEGIN PRIVATE KEY-----\nhidden\n-----END PRIVATE KEY-----"}),
    ] {
        let error = read(&wrong).unwrap_err();
        assert!(error.to_string().contains("expected a "), "{error}");
        shown.push(format!("{error} {error:?}"));
    }
    for shown in shown {
        assert!(!shown.contains(body) && !shown.contains("hidden"), "{shown}");
    }
}

async fn domain_with(secrets: Vec<serde_json::Value>) -> MediaDomain {
    let answer = |secret: serde_json::Value| {
        json!({"ARN": "arn", "Name": "media", "SecretString": secret.to_string()}).to_string()
    };
    let client = secrets_manager(secrets.into_iter().map(answer).collect()).await;
    let keys = AgedSecret::load(client, "media".to_owned(), SecretMaxAge::default()).await.unwrap();
    MediaDomain::new("https://media.example.com".parse().unwrap(), keys)
}

fn secret(id: &str) -> serde_json::Value {
    let private_key = LinkKeyPair::generate().unwrap().private_key().unwrap();
    json!({"signing": {"key_pair_id": id, "private_key": private_key.expose_secret()}})
}

#[tokio::test]
async fn secret_without_a_key_signs_nothing() {
    for empty in [json!({}), json!({"signing": null}), json!({"next": {"private_key": "..."}})] {
        assert!(domain_with(vec![empty]).await.signer().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn refused_key_is_replaced_by_the_one_of_the_secret() {
    let domain = domain_with(vec![secret("KOLD"), secret("KNEW")]).await;
    let old = domain.signer().await.unwrap().unwrap();
    let new = domain.replaced_signer(&old).await.unwrap().unwrap();
    assert_eq!((old.key.key_pair_id(), new.key.key_pair_id()), ("KOLD", "KNEW"));
    assert!(domain.replaced_signer(&new).await.unwrap().is_none(), "it was read a moment ago");
    let domain = domain_with(vec![secret("KOLD"), secret("KOLD")]).await;
    let old = domain.signer().await.unwrap().unwrap();
    assert!(domain.replaced_signer(&old).await.unwrap().is_none(), "the secret has the same key");
}
