//! Verifies Twilio's webhooks in an axum handler, and answers an inbound message with its own text.
//!
//! ```sh
//! TWILIO_AUTH_TOKEN=... PUBLIC_URL=https://your-tunnel.example cargo run --package webhook-in-axum
//! ```
//!
//! Set `PUBLIC_URL` + `/inbound` as the webhook of a sender in Twilio's Console, and write to that sender. A request that
//! Twilio did not sign gets 403:
//!
//! ```sh
//! curl --include --data 'Body=hello' http://127.0.0.1:3000/inbound
//! ```

use std::{env, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use twilio_webhook::{
    inbound_message::InboundMessage,
    signature::{SigningKeys, UnverifiedRequest, Verified},
    twiml,
};

struct Webhooks {
    /// Scheme and host as they are configured at Twilio: never what a request's `Host` header says.
    public_url: String,
    keys: SigningKeys,
}

async fn inbound(
    State(webhooks): State<Arc<Webhooks>>,
    path_and_query: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let url = format!("{}{path_and_query}", webhooks.public_url);
    let request = UnverifiedRequest::new(url, &headers, body);
    let form = match request.verify(&webhooks.keys) {
        Ok(Verified::Form(form)) => form,
        Ok(_) => return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected a form").into_response(),
        Err(error) => return (StatusCode::FORBIDDEN, error.to_string()).into_response(),
    };
    match InboundMessage::parse(&form) {
        Ok(message) => {
            let answer = twiml::message(&format!("You wrote: {}", message.body));
            ([(CONTENT_TYPE, twiml::CONTENT_TYPE)], answer).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let auth_token = env::var("TWILIO_AUTH_TOKEN").map_err(|_| "TWILIO_AUTH_TOKEN is not set")?;
    let public_url = env::var("PUBLIC_URL").map_err(|_| "PUBLIC_URL is not set")?;
    let webhooks = Webhooks { public_url, keys: SigningKeys::from_auth_tokens([auth_token]) };
    let app = Router::new().route("/inbound", post(inbound)).with_state(Arc::new(webhooks));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
