//! From the program's start to its first answer.

use std::time::Duration;

use crate::{report::Line, shop::Shop};

const TIMES: usize = 5;

pub async fn run(shop: &Shop) -> Vec<Line> {
    let mut times: Vec<Duration> = vec![];
    for _ in 0..TIMES {
        times.push(shop.another_server().await.started_in);
    }
    times.sort_unstable();
    vec![Line {
        work: "start to first 200, migrated database".into(),
        here: format!("{} ms", times[TIMES / 2].as_millis()),
        aim: "300 ms",
        note: format!("The median of {TIMES}."),
        ..Line::default()
    }]
}
