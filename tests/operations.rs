//! What operators are given names what the program has: metrics, alerts, commands.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// `spicyjump_stripe_calls_total`, but not `spicyjump_http`, which is a crate.
fn is_metric(word: &str) -> bool {
    let known = word.starts_with("spicyjump_") || word.starts_with("http_request");
    known && word.matches('_').count() >= 2 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// The metrics that a text speaks of. Those of a histogram are one.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| is_metric(word));
    words.map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned()).collect()
}

/// As string literals in the code.
fn recorded() -> BTreeSet<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(Path::new(ROOT).join("crates")).unwrap() {
        sources(&entry.unwrap().path().join("src"), &mut files);
    }
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    texts
        .iter()
        .flat_map(|text| text.split('"'))
        .filter(|literal| is_metric(literal))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_metric_is_explained_and_every_one_that_is_shown_exists() {
    let recorded = recorded();
    assert!(recorded.len() > 15, "{recorded:?}");
    assert_eq!(metrics(&text("docs/operations.md")), recorded, "docs/operations.md and the code");
    for file in ["docs/deploy/grafana.json", "docs/deploy/alerts.yml"] {
        let unknown: Vec<_> = metrics(&text(file)).difference(&recorded).cloned().collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let rules = text("docs/deploy/alerts.yml");
    let alerts: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let page = text("docs/operations.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `SpicyJump")?.split_once('`'));
    let explained: BTreeSet<String> = rows.map(|(name, _)| format!("SpicyJump{name}")).collect();
    assert_eq!(explained, alerts.into_iter().map(str::to_owned).collect());
}

#[test]
fn the_dashboard_can_be_read() {
    let dashboard: serde_json::Value = serde_json::from_str(&text("docs/deploy/grafana.json")).unwrap();
    assert!(dashboard["panels"].as_array().is_some_and(|panels| !panels.is_empty()));
}
