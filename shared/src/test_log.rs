//! What code logs, for tests.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::fmt::format::JsonFields;

use crate::log::json_line::JsonLine;

/// Runs a future, and gives the lines that it logs.
pub(crate) async fn logged<F: Future>(work: F) -> (F::Output, Vec<String>) {
    // Without a global subscriber, a line that another test's thread reaches first can be switched off for all threads
    // while this one begins to read. It succeeds once in a process.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let log = LogBuffer::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().fmt_fields(JsonFields::new()).event_format(JsonLine);
    let subscriber = subscriber.with_writer(move || writer.clone()).finish();
    let done = work.with_subscriber(subscriber).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (done, text.lines().map(str::to_owned).collect())
}

#[derive(Clone, Default)]
struct LogBuffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for LogBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
