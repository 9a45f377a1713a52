//! What is meant to differ from Twilio's libraries, each with its reason. `docs/signatures.md` has the same table.

use twilio_webhook::signature::SignatureError;

use crate::request::GeneratedRequest;

/// What three libraries say of one request.
#[derive(Debug)]
pub(crate) struct Verdicts {
    pub(crate) ours: Result<(), SignatureError>,
    pub(crate) python: bool,
    pub(crate) node: bool,
}

impl Verdicts {
    /// Whether ours accepts what one of Twilio's accepts, and nothing else.
    pub(crate) fn agree(&self) -> bool {
        self.accepted() == (self.python || self.node)
    }

    pub(crate) fn accepted(&self) -> bool {
        self.ours.is_ok()
    }

    fn only_ours(&self) -> bool {
        self.accepted() && !self.python && !self.node
    }

    fn only_node(&self) -> bool {
        !self.accepted() && !self.python && self.node
    }
}

/// A kind of request of which our verdict is another, on purpose.
pub(crate) struct Difference {
    /// What the request is like, and who accepts it.
    pub(crate) name: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) applies: fn(&GeneratedRequest, &Verdicts) -> bool,
}

pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "The scheme is in capitals: Twilio's libraries write it in lower case, ours keeps it",
        reason: "It comes from the receiver's own configuration. In Twilio's test vectors it is signed as it is.",
        applies: |request, _| request.url.starts_with("HTTPS"),
    },
    Difference {
        name: "The settings header names a shared key and `HMAC_SHA1`, and an auth token signed: only ours refuses",
        reason: "Who holds a weaker key must not choose it by a header.",
        applies: |request, verdicts| {
            verdicts.ours == Err(SignatureError::Settings)
                && request.settings_name("key")
                && request.settings_name("algorithm")
        },
    },
    Difference {
        name: "The settings header names a shared key or an unknown algorithm, and an auth token signed: only Node accepts",
        reason: "Twilio's library for Node.js does not read the header. Who holds a weaker key must not choose it by a header.",
        applies: |request, verdicts| verdicts.only_node() && request.names_an_algorithm_other_than_sha1(),
    },
    Difference {
        name: "A shared key signed another spelling of the URL: only ours accepts",
        reason: "The library for Python knows shared keys, the one for Node.js the spellings. Ours tries the same spellings with both kinds of key.",
        applies: |request, verdicts| {
            verdicts.only_ours() && request.names_an_algorithm_other_than_sha1() && request.url != request.signed.url
        },
    },
    Difference {
        name: "Names in the settings header are in capitals: only ours reads them",
        reason: "Names of such parameters are the same in any case (RFC 9110, section 5.6.6). The signature must still match the key.",
        applies: |request, _| request.settings.as_ref().is_some_and(|settings| settings.starts_with("Key=")),
    },
    Difference {
        name: "The body is no form, and the URL has no `bodySHA256`: Node accepts, Python if the body is empty",
        reason: "Nothing signs such a body.",
        applies: |_, verdicts| verdicts.ours == Err(SignatureError::UnsignedBody),
    },
    Difference {
        name: "`bodySHA256` is in capital hexadecimal digits: only ours accepts",
        reason: "It is the same hash.",
        applies: |request, verdicts| verdicts.only_ours() && request.has_body_hash_in_capitals(),
    },
    Difference {
        name: "The URL has a user and a password, and the signed one has none: only ours accepts",
        reason: "Twilio's page \"Webhooks Security\" says that they are not signed; its libraries sign them. Ours accepts both.",
        applies: |request, verdicts| {
            verdicts.only_ours() && request.url.contains('@') && !request.signed.authority().contains('@')
        },
    },
    Difference {
        name: "The query has `%27`, and `'` was signed: only ours accepts",
        reason: "Node tries the other direction. A proxy may escape what Twilio signed bare.",
        applies: |request, verdicts| {
            verdicts.only_ours() && request.url.contains("%27") && request.signed.url.contains('\'')
        },
    },
    Difference {
        name: "The query is in another order than the signed one: only ours accepts",
        reason: "Twilio has requested status callbacks with a sorted query (twilio-php, issue 790).",
        applies: |request, verdicts| {
            verdicts.only_ours() && request.url.contains('&') && request.url != request.signed.url
        },
    },
    Difference {
        name: "`bodySHA256` comes twice: ours accepts if either is the hash",
        reason: "Both are signed. Python uses the first that is not empty, Node the first.",
        applies: |request, verdicts| verdicts.only_ours() && request.url.matches("bodySHA256").count() > 1,
    },
    Difference {
        name: "The host is in capitals or not in ASCII, and the signed URL is in another spelling: Node changes the host too",
        reason: "The host comes from the receiver's own configuration. Twilio's test vectors refuse a host in another case.",
        applies: |request, verdicts| {
            (verdicts.only_node() || verdicts.only_ours())
                && request.host_is_rewritten()
                && request.url != request.signed.url
        },
    },
];
