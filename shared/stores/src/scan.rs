//! Reads all of a table, for what no index finds.

use aws_sdk_dynamodb::{Client, operation::scan::builders::ScanFluentBuilder};
use futures::{Stream, StreamExt as _, stream};

use crate::dynamodb::{Item, StoreError};

/// The number of parts of a table, which are read at the same time. A request for a part reads a megabyte, and the table has
/// other readers.
const SEGMENTS: i32 = 4;

/// A part of a table.
#[derive(Debug, Default)]
pub struct ItemPage {
    /// In no order.
    pub items: Vec<Item>,
    /// The number of items that DynamoDB read, and charges for.
    pub read: u64,
}

/// Every item of a table, page by page. `asking` adds what each request asks for.
pub(crate) fn scan<'a>(
    client: &'a Client,
    table: &'a str,
    operation: &'static str,
    asking: impl Fn(ScanFluentBuilder) -> ScanFluentBuilder + Copy + 'a,
) -> impl Stream<Item = Result<ItemPage, StoreError>> + 'a {
    let segment = move |segment| {
        Box::pin(stream::try_unfold(Some(None), move |position: Option<Option<Item>>| async move {
            let Some(from) = position else { return Ok(None) };
            let scan = client.scan().table_name(table).segment(segment).total_segments(SEGMENTS);
            let answer = asking(scan.set_exclusive_start_key(from)).send().await;
            let answer = answer.map_err(|error| StoreError::of_sdk(operation, error))?;
            let read = u64::try_from(answer.scanned_count).unwrap_or_default();
            let page = ItemPage { items: answer.items.unwrap_or_default(), read };
            Ok(Some((page, answer.last_evaluated_key.filter(|key| !key.is_empty()).map(Some))))
        }))
    };
    stream::iter((0..SEGMENTS).map(segment)).flatten_unordered(None)
}
