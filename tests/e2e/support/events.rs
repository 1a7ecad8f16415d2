//! Server-Sent Events, read as a browser's `fetch` reads them.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::time::timeout;

use crate::User;

const PATIENCE: Duration = Duration::from_secs(30);

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: Value,
}

/// An open stream.
pub struct Stream {
    bytes: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    buffer: String,
    pub content_type: String,
}

impl User {
    /// Watches an order, from `last_id` on where it is given.
    pub async fn watch(&self, order: i64, last_id: Option<&str>) -> Stream {
        let mut call = self.request(Method::GET, &format!("/v1/orders/{order}/events"));
        if let Some(last_id) = last_id {
            call = call.header("Last-Event-ID", last_id);
        }
        Stream::of(call.into_inner().send().await.expect("an answer"))
    }
}

impl Stream {
    fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        let content_type = response.headers()["content-type"].to_str().expect("text").to_owned();
        Self { bytes: response.bytes_stream().boxed(), buffer: String::new(), content_type }
    }

    /// The next event; `None` when the server has ended the stream.
    ///
    /// # Panics
    /// When neither comes.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let event = parse(block);
                self.buffer = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = timeout(PATIENCE, self.bytes.next()).await.expect("an event, or the end");
            match chunk {
                Some(Ok(chunk)) => self.buffer.push_str(&String::from_utf8_lossy(&chunk)),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Reads on until the order has this status.
    ///
    /// # Panics
    /// When the stream ends before.
    pub async fn until_status(&mut self, status: &str) -> Event {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {status}"));
            if event.data["status"] == status {
                return event;
            }
        }
    }
}

/// `None` for a comment.
fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    Some(Event {
        name: field("event:")?,
        id: field("id:").unwrap_or_default(),
        data: serde_json::from_str(&field("data:")?).expect("JSON"),
    })
}
