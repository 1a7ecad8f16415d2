//! Who may know whom, what may be linked, and what lies at the top of the repository.
//!
//! These are decisions, held here so that changing one is visible in a diff.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What the domain may use: small crates without I/O.
const DOMAIN_USES: &[&str] = &["async-trait", "serde", "thiserror", "time", "uuid"];
/// What it must not even reach through others.
const IO: &[&str] = &["actix", "aws-", "diesel", "hyper", "lettre", "reqwest", "socket2", "tokio"];
const ADAPTERS: &[&str] =
    &["spicyjump-http", "spicyjump-postgres", "spicyjump-s3", "spicyjump-smtp", "spicyjump-stripe"];

/// One TLS stack, no C library of the system, nothing that would put its licence on us.
const NEVER: &[&str] = &["actix-governor", "aws-lc-rs", "native-tls", "openssl-sys", "pq-sys"];

#[derive(Debug, Default)]
struct Package {
    name: String,
    version: String,
    licence: String,
    /// As written in its manifest: what is linked into it, and what only its tests use.
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
    /// As resolved: the ids of what is linked into it.
    links: Vec<String>,
}

/// All packages that are built on this machine, tests included, by id.
static PACKAGES: LazyLock<BTreeMap<String, Package>> = LazyLock::new(|| {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host()])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut packages: BTreeMap<String, Package> = list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), described(package)))
        .collect();
    for node in list(&metadata["resolve"]["nodes"]) {
        let linked = |dep: &&Value| list(&dep["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        let links = list(&node["deps"]).iter().filter(linked).map(|dep| text(&dep["pkg"])).collect();
        packages.get_mut(&text(&node["id"])).unwrap().links = links;
    }
    packages
});

/// Packages for other platforms were never downloaded, so `--offline` must not ask for them.
fn host() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let output = Command::new(env!("CARGO")).args(["version", "--verbose"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    });
    VERSION.lines().find_map(|line| line.strip_prefix("host: ")).unwrap()
}

fn described(package: &Value) -> Package {
    let of_kind = |wanted: Value| {
        let dependencies = list(&package["dependencies"]).iter();
        dependencies.filter(|dep| dep["kind"] == wanted).map(|dep| text(&dep["name"])).collect()
    };
    Package {
        name: text(&package["name"]),
        version: text(&package["version"]),
        licence: package["license"].as_str().unwrap_or_default().to_owned(),
        normal: of_kind(Value::Null),
        dev: of_kind("dev".into()),
        links: Vec::new(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn package(name: &str) -> &'static Package {
    PACKAGES.values().find(|package| package.name == name).unwrap_or_else(|| panic!("no package {name}"))
}

fn ours(names: &BTreeSet<String>) -> Vec<&str> {
    names.iter().map(String::as_str).filter(|name| name.starts_with("spicyjump-")).collect()
}

/// Everything that is linked into a package, at any depth.
fn reachable(from: &Package) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    let mut open = from.links.clone();
    let mut seen: BTreeSet<String> = open.iter().cloned().collect();
    while let Some(id) = open.pop() {
        let package = &PACKAGES[&id];
        found.insert(package.name.as_str());
        open.extend(package.links.iter().filter(|link| seen.insert((*link).clone())).cloned());
    }
    found
}

#[test]
fn the_domain_uses_nothing_but_small_pure_crates() {
    let domain = package("spicyjump-domain");
    let unknown: Vec<_> = domain.normal.iter().filter(|name| !DOMAIN_USES.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "new in the domain: {unknown:?}");
    let io: Vec<_> = reachable(domain)
        .into_iter()
        .filter(|name| IO.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    assert!(io.is_empty(), "the domain reaches I/O: {io:?}");
}

#[test]
fn adapters_know_the_domain_and_never_each_other() {
    for name in ADAPTERS {
        assert_eq!(ours(&package(name).normal), ["spicyjump-domain"], "{name}");
        let in_tests = ours(&package(name).dev);
        let allowed = ["spicyjump-domain", "spicyjump-sandbox"];
        assert!(in_tests.iter().all(|used| allowed.contains(used)), "{name} uses {in_tests:?} in its tests");
    }
}

#[test]
fn stand_ins_know_nothing_of_us_and_only_the_program_and_tests_know_them() {
    assert!(ours(&package("spicyjump-sandbox").normal).is_empty());
    for package in PACKAGES.values().filter(|package| package.normal.contains("spicyjump-sandbox")) {
        assert!(["spicyjump-app", "spicyjump-tests"].contains(&package.name.as_str()), "{}", package.name);
    }
}

#[test]
fn nothing_is_linked_that_was_decided_against() {
    let linked = reachable(package("spicyjump-app"));
    let found: Vec<_> = NEVER.iter().filter(|name| linked.contains(*name)).collect();
    assert!(found.is_empty(), "linked into the program: {found:?}");
}

#[test]
fn every_dependency_is_used_and_has_its_reason() {
    let manifest: toml::Table =
        fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap().parse().unwrap();
    let chosen = manifest["workspace"]["dependencies"].as_table().unwrap();
    let chosen: BTreeSet<&str> =
        chosen.keys().map(String::as_str).filter(|name| !name.starts_with("spicyjump-")).collect();
    let ours = PACKAGES.values().filter(|package| package.name.starts_with("spicyjump-"));
    let used: BTreeSet<&str> =
        ours.flat_map(|package| package.normal.iter().chain(&package.dev)).map(String::as_str).collect();
    let unused: Vec<_> = chosen.difference(&used).collect();
    assert!(unused.is_empty(), "used by nobody: {unused:?}");

    let page = fs::read_to_string(Path::new(ROOT).join("docs/dependencies.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let explained: BTreeSet<&str> = rows
        .flat_map(|names| names.split(", "))
        .filter_map(|name| name.strip_prefix('`')?.strip_suffix('`'))
        .collect();
    assert_eq!(explained, chosen, "docs/dependencies.md and Cargo.toml name the same crates");
}

/// `cargo deny` reads it too: `make deny`.
#[test]
fn every_dependency_has_a_licence_that_we_accept() {
    let deny: toml::Table = fs::read_to_string(Path::new(ROOT).join("deny.toml")).unwrap().parse().unwrap();
    let accepted: BTreeSet<&str> =
        deny["licenses"]["allow"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let refused: Vec<_> = PACKAGES
        .values()
        .filter(|package| !licence_fits(&package.licence, &accepted))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.licence))
        .collect();
    assert!(refused.is_empty(), "not in deny.toml: {refused:#?}");
}

/// Whether an SPDX expression can be satisfied by accepted licences. `AND` binds closer than `OR`.
fn licence_fits(expression: &str, accepted: &BTreeSet<&str>) -> bool {
    let spaced =
        expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ").replace(" WITH ", "-WITH-");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    let fits = any_of(&mut rest, accepted);
    fits && rest.is_empty()
}

fn any_of(rest: &mut &[&str], accepted: &BTreeSet<&str>) -> bool {
    let mut fits = all_of(rest, accepted);
    while let Some(("OR", after)) = rest.split_first().map(|(first, after)| (*first, after)) {
        *rest = after;
        fits |= all_of(rest, accepted);
    }
    fits
}

fn all_of(rest: &mut &[&str], accepted: &BTreeSet<&str>) -> bool {
    let mut fits = one(rest, accepted);
    while let Some(("AND", after)) = rest.split_first().map(|(first, after)| (*first, after)) {
        *rest = after;
        fits &= one(rest, accepted);
    }
    fits
}

fn one(rest: &mut &[&str], accepted: &BTreeSet<&str>) -> bool {
    let Some((first, after)) = rest.split_first() else { return false };
    *rest = after;
    if *first != "(" {
        // An exception only adds permissions, so the licence before it decides.
        return accepted.contains(first.split("-WITH-").next().unwrap());
    }
    let fits = any_of(rest, accepted);
    *rest = rest.strip_prefix(&[")"]).unwrap_or(&[]);
    fits
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let accepted = BTreeSet::from(["MIT", "Apache-2.0", "ISC"]);
    let cases = [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-or-later", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("GPL-3.0 OR ISC AND MIT", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("", false),
    ];
    for (expression, fits) in cases {
        assert_eq!(licence_fits(expression, &accepted), fits, "{expression}");
    }
}

#[test]
fn the_top_of_the_repository_stays_small() {
    let known = [
        ".ci",
        ".git",
        ".gitignore",
        "Cargo.lock",
        "Cargo.toml",
        "Makefile",
        "README.md",
        "clippy.toml",
        "crates",
        "deny.toml",
        "docker-compose.yml",
        "docs",
        "migrations",
        "rustfmt.toml",
        "tests",
        // Made by working with it, and ignored by git:
        ".data",
        ".venv",
        "node_modules",
        "target",
    ];
    let names = fs::read_dir(ROOT).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let unknown: Vec<_> =
        names.filter(|name| !known.contains(&name.as_str()) && !name.contains(".log")).collect();
    assert!(unknown.is_empty(), "new at the top: {unknown:?}");
}
