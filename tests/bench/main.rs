//! `make bench`: what the shop does in a second, beside what the machine can do.
//!
//! Everything is measured in one run: the built server on a durable `PostgreSQL` of its own, with its whole chain of
//! middlewares, its log in a file and its metrics, only the rate limits off; and, right after each piece of work, the
//! limit of it: a bare actix service, or `pgbench` with the bare SQL. Nothing here asserts a speed.
//!
//! Start reading at [`What`]; each row of the table is one function in `rows/`.

use std::{path::PathBuf, slice, time::Duration};

use clap::{Parser, ValueEnum};
use tokio::time::Instant;

mod machine;
mod pgbench;
mod report;
mod rows;
mod shop;
mod wrk;

use report::Line;
use shop::Shop;

/// Measures the shop beside the machine's limits.
#[derive(Parser)]
struct Arguments {
    /// One row alone; without it, all but `million` and `growth`.
    #[arg(value_enum)]
    what: Option<What>,
    /// How long each load runs.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The page whose measured part is replaced.
    #[arg(long)]
    page: Option<PathBuf>,
    /// Another setting of the server, to compare: `NAME=VALUE`.
    #[arg(long, value_parser = setting)]
    set: Vec<(&'static str, String)>,
}

/// What there is to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// From the program's start to its first answer, and its memory before any load.
    Start,
    /// Reading one product.
    Product,
    /// Reading a page of a list.
    List,
    /// Lists and searches, one at a time.
    Pages,
    /// Ordinary orders.
    Orders,
    /// Orders of one product.
    Flash,
    /// Logging in.
    Login,
    /// Webhooks that pay orders.
    Webhook,
    /// What others feel meanwhile.
    Tails,
    /// More clients than can be served.
    Overload,
    /// Pages and orders on a million products.
    Million,
    /// Orders and their lists before and after a million orders.
    Growth,
}

/// What a shop does all day, in an order in which each finds what it needs; with the memory that it takes.
const USUAL: [What; 9] = [
    What::Start,
    What::Product,
    What::List,
    What::Pages,
    What::Login,
    What::Orders,
    What::Webhook,
    What::Flash,
    What::Tails,
];

/// What it comes to now and then.
const UNUSUAL: [What; 1] = [What::Overload];

#[tokio::main]
async fn main() {
    let Arguments { what, seconds, page, set } = Arguments::parse();
    let seconds = Duration::from_secs(seconds);
    let began = Instant::now();
    let products = if what == Some(What::Million) { 1_000_000 } else { 10_000 };
    let shop = Shop::open(products, set).await;
    let (usual, unusual) =
        what.as_ref().map_or((&USUAL[..], &UNUSUAL[..]), |what| (slice::from_ref(what), &[]));
    let mut lines = measure_all(usual, &shop, seconds).await;
    lines.push(shop.memory_line());
    lines.extend(measure_all(unusual, &shop, seconds).await);
    let audit = shop.run(&["audit"]).await;
    let measured = report::section(&lines, &audit, products, began.elapsed());
    println!("{measured}");
    if let (Some(page), None) = (page, what) {
        report::replace(&page, &measured);
    }
    shop.close().await;
}

async fn measure_all(all: &[What], shop: &Shop, seconds: Duration) -> Vec<Line> {
    let mut lines = vec![];
    for what in all {
        eprintln!("{what:?} …");
        let measured = measure(*what, shop, seconds).await;
        for line in &measured {
            eprintln!("  {}", line.in_words());
        }
        lines.extend(measured);
    }
    lines
}

async fn measure(what: What, shop: &Shop, seconds: Duration) -> Vec<Line> {
    match what {
        What::Start => rows::start::run(shop).await,
        What::Product => rows::product::run(shop, seconds).await,
        What::List => rows::list::run(shop, seconds).await,
        What::Pages => rows::pages::run(shop).await,
        What::Million => [rows::pages::run(shop).await, rows::orders::run(shop, seconds).await].concat(),
        What::Growth => rows::growth::run(shop, seconds).await,
        What::Orders => rows::orders::run(shop, seconds).await,
        What::Flash => rows::flash::run(shop, seconds).await,
        What::Login => rows::login::run(shop, seconds).await,
        What::Webhook => rows::webhook::run(shop, seconds).await,
        What::Tails => rows::tails::run(shop, seconds).await,
        What::Overload => rows::overload::run(shop, seconds).await,
    }
}

fn setting(text: &str) -> Result<(&'static str, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned().leak(), value.to_owned()))
}
