//! Temporary credentials of a role that the function assumes.
//!
//! They are asked for when they are needed, and kept as long as what they sign outlives its purpose.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use aws_sdk_sts::{
    Client,
    config::Credentials,
    error::SdkError,
    operation::assume_role::{AssumeRoleError as AssumeRoleRefusal, AssumeRoleOutput},
};
use aws_types::SdkConfig;
use tokio::sync::Mutex;

use crate::moment::Moment;

/// How long a session lasts: the longest that a role may have that another role assumes. Source: AWS Identity and Access
/// Management, "Roles terms and concepts", "Role chaining".
pub const SESSION: Duration = Duration::from_hours(1);

/// The shortest time between two attempts after one that failed: ten messages of a batch do not wait for one after another.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The name of the sessions in AWS's log of API calls.
const SESSION_NAME: &str = "send";

/// A role, and its last session.
pub struct AssumedRole {
    client: Client,
    role_arn: String,
    /// Held by the one that assumes the role. The others wait, and then use its session.
    state: Mutex<RoleState>,
}

#[derive(Default)]
struct RoleState {
    session: Option<StoredSession>,
    failed_at: Option<Moment>,
}

struct StoredSession {
    credentials: Credentials,
    began: Moment,
    lasts: Duration,
}

/// The credentials of a session, which is as long as this.
#[derive(Clone)]
pub struct RoleSession {
    pub credentials: Credentials,
    pub remaining: Duration,
}

/// The role cannot be assumed.
#[derive(thiserror::Error)]
pub enum AssumeRoleError {
    /// STS did not answer, which passes with time, or refused, which the operator must fix.
    #[error("the role {role_arn} cannot be assumed")]
    Refused { role_arn: String, source: Box<SdkError<AssumeRoleRefusal>> },
    /// The answer has no credentials, or credentials that end before they can be used.
    #[error("the role {role_arn} was assumed, but its session is too short")]
    Unusable { role_arn: String },
    #[error("the role {role_arn} could not be assumed a moment ago")]
    Unavailable { role_arn: String },
}

impl fmt::Debug for AssumeRoleError {
    /// Shows what `Display` shows, because the source holds the answer of STS.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AssumeRoleError({self})")
    }
}

impl fmt::Debug for AssumedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumedRole").field("role_arn", &self.role_arn).finish_non_exhaustive()
    }
}

impl AssumedRole {
    pub fn new(config: &SdkConfig, role_arn: String) -> Self {
        Self { client: Client::new(config), role_arn, state: Mutex::default() }
    }

    /// A session that lasts for at least this time.
    pub async fn session(&self, at_least: Duration) -> Result<RoleSession, AssumeRoleError> {
        let mut state = self.state.lock().await;
        let now = Moment::now();
        if let Some(session) = state.session.as_ref().and_then(|session| session.at(now, at_least)) {
            return Ok(session);
        }
        if state.failed_at.is_some_and(|at| now.since(at) < RETRY_AFTER) {
            return Err(AssumeRoleError::Unavailable { role_arn: self.role_arn.clone() });
        }
        // Already now, for the case that this future is dropped at a deadline.
        state.failed_at = Some(now);
        let assumed = self.assume(now).await;
        state.failed_at = Some(Moment::now());
        let session = assumed?;
        let usable = session.at(now, at_least).ok_or_else(|| self.unusable())?;
        *state = RoleState { session: Some(session), failed_at: None };
        Ok(usable)
    }

    async fn assume(&self, now: Moment) -> Result<StoredSession, AssumeRoleError> {
        let seconds = i32::try_from(SESSION.as_secs()).unwrap_or(i32::MAX);
        let request = self.client.assume_role().role_arn(&self.role_arn).role_session_name(SESSION_NAME);
        let answer = request
            .duration_seconds(seconds)
            .send()
            .await
            .map_err(|source| AssumeRoleError::Refused { role_arn: self.role_arn.clone(), source: Box::new(source) })?;
        StoredSession::read(&answer, now).ok_or_else(|| self.unusable())
    }

    fn unusable(&self) -> AssumeRoleError {
        AssumeRoleError::Unusable { role_arn: self.role_arn.clone() }
    }
}

impl StoredSession {
    /// A session that was asked for at this moment. It is counted from there, because the answer comes later.
    fn read(answer: &AssumeRoleOutput, began: Moment) -> Option<Self> {
        let found = answer.credentials()?;
        let token = Some(found.session_token().to_owned());
        let credentials =
            Credentials::new(found.access_key_id(), found.secret_access_key(), token, None, "assumed role");
        let ends = Duration::from_secs(found.expiration().secs().try_into().ok()?);
        let lasts = ends.checked_sub(began.wall().duration_since(SystemTime::UNIX_EPOCH).ok()?)?;
        // With a clock that is behind AWS's it would seem to last longer.
        Some(Self { credentials, began, lasts: lasts.min(SESSION) })
    }

    fn at(&self, now: Moment, at_least: Duration) -> Option<RoleSession> {
        if now.is_set_back_since(self.began) {
            return None;
        }
        let remaining = self.lasts.checked_sub(now.since(self.began)).filter(|remaining| *remaining >= at_least)?;
        Some(RoleSession { credentials: self.credentials.clone(), remaining })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use aws_sdk_sts::config::{BehaviorVersion, Region, SharedCredentialsProvider};
    use axum::{Router, http::StatusCode};
    use tokio::net::TcpListener;

    use super::*;
    use crate::moment::tests::Clocks;

    const AT_LEAST: Duration = Duration::from_mins(52);

    /// An STS that gives sessions of these seconds, one after another. After the last one it refuses.
    async fn role(sessions: &'static [i64]) -> (AssumedRole, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let app = Router::new().fallback(move || async move {
            let request = counter.fetch_add(1, Relaxed);
            match sessions.get(request) {
                Some(seconds) => (StatusCode::OK, answer(request, *seconds)),
                None => (StatusCode::FORBIDDEN, String::new()),
            }
        });
        tokio::spawn(async { axum::serve(listener, app).await });
        let own = Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(url)
            .credentials_provider(SharedCredentialsProvider::new(own))
            .build();
        (AssumedRole::new(&config, "arn:aws:iam::000000000000:role/reader".to_owned()), requests)
    }

    /// Source: AWS Security Token Service API Reference, `AssumeRole`.
    fn answer(request: usize, seconds: i64) -> String {
        let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>ASIA{request}</AccessKeyId><SecretAccessKey>hidden-key</SecretAccessKey>\
             <SessionToken>hidden-token</SessionToken><Expiration>{ends:.0}</Expiration>\
             </Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )
    }

    #[test]
    fn session_is_used_while_what_it_signs_outlives_its_purpose() {
        let clocks = Clocks::new();
        let own = Credentials::new("ASIA", "hidden-key", None, None, "test");
        let session = StoredSession { credentials: own, began: clocks.at(0, 0), lasts: SESSION };
        for (wall, monotonic, expected) in [
            (0, 0, Some(3_600)),
            (480, 480, Some(3_120)),
            (481, 481, None),
            // Frozen, and set back.
            (481, 1, None),
            (-1, 1, None),
        ] {
            let found = session.at(clocks.at(wall, monotonic), AT_LEAST);
            let remaining = found.map(|session| session.remaining.as_secs());
            assert_eq!(remaining, expected, "{wall} {monotonic}");
        }
    }

    #[tokio::test]
    async fn requests_at_the_same_time_assume_the_role_once() {
        let (role, requests) = role(&[3_600]).await;
        let (a, b) = tokio::join!(role.session(AT_LEAST), role.session(AT_LEAST));
        for session in [a, b] {
            let session = session.unwrap();
            assert_eq!(session.credentials.access_key_id(), "ASIA0");
            assert_eq!(session.credentials.session_token(), Some("hidden-token"));
            assert!(session.remaining <= SESSION && session.remaining > Duration::from_secs(3_590));
        }
        assert_eq!(requests.load(Relaxed), 1);
    }

    #[tokio::test]
    async fn short_session_is_no_session() {
        let (role, _) = role(&[900]).await;
        assert!(matches!(role.session(AT_LEAST).await, Err(AssumeRoleError::Unusable { .. })));
    }

    #[tokio::test]
    async fn session_longer_than_possible_is_not_believed() {
        let (role, _) = role(&[36_000]).await;
        assert!(role.session(AT_LEAST).await.unwrap().remaining <= SESSION);
    }

    #[tokio::test]
    async fn role_that_is_refused_is_not_asked_for_at_once_again() {
        let (role, requests) = role(&[]).await;
        let refused = role.session(AT_LEAST).await;
        assert!(matches!(refused, Err(AssumeRoleError::Refused { .. })));
        assert!(matches!(role.session(AT_LEAST).await, Err(AssumeRoleError::Unavailable { .. })));
        assert_eq!(requests.load(Relaxed), 1);
    }
}
