//! A real headless Chromium, driven over WebDriver (W3C) by `chromedriver`.
//!
//! The protocol is plain JSON over HTTP, and six commands of it are enough here; a library would bring more code than
//! it saves.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::Stdio,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::eventually;

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// A window narrower than this is no desktop's: Chromium shows it as a phone would.
const NARROWEST: u32 = 500;
const START: Duration = Duration::from_secs(60);

/// A browser window. It is closed with this value.
pub struct Browser {
    http: Client,
    session: String,
    driver: Child,
    port: u16,
}

/// An element of the page, or of the frame that is looked into.
#[derive(Clone, Debug)]
pub struct Element(String);

impl Browser {
    /// Opens a window of this size, with a fresh profile below `directory`, for a reader of `language`.
    pub async fn open(directory: &Path, language: &str, (width, height): (u32, u32)) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is installed (Debian: chromium-driver)");
        let port = timeout(START, port_of(&mut driver)).await.expect("chromedriver starts");
        let http = Client::builder().timeout(START).build().expect("a client without special wishes");
        let profile = directory.join("profile");
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--no-first-run".to_owned(),
            format!("--user-data-dir={}", profile.display()),
            format!("--window-size={width},{height}"),
            format!("--lang={language}"),
            format!("--accept-lang={language}"),
        ];
        let mut options = json!({ "args": arguments, "prefs": { "intl.accept_languages": language } });
        if width < NARROWEST {
            let screen = json!({ "width": width, "height": height, "pixelRatio": 2, "touch": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": screen });
        }
        let capabilities = json!({ "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
        } });
        let mut browser = Self { http, session: String::new(), driver, port };
        let opened = browser.call(Method::POST, "/session", &json!({ "capabilities": capabilities })).await;
        let id = opened["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {opened}"));
        browser.session = format!("/session/{id}");
        browser
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let url = format!("http://127.0.0.1:{}{}{path}", self.port, self.session);
        let request = self.http.request(method.clone(), url);
        let request = if method == Method::POST { request.json(body) } else { request };
        let answer: Value = request.send().await.expect("chromedriver answers").json().await.expect("JSON");
        answer["value"].clone()
    }

    async fn must(&self, method: Method, path: &str, body: &Value) -> Value {
        let value = self.call(method, path, body).await;
        assert!(value["error"].is_null(), "{path}: {value}");
        value
    }

    /// Goes to a page and waits until it is loaded.
    pub async fn go_to(&self, url: &str) {
        self.must(Method::POST, "/url", &json!({ "url": url })).await;
    }

    async fn look_for(&self, selector: &str) -> Option<Element> {
        let found =
            self.call(Method::POST, "/element", &json!({ "using": "css selector", "value": selector })).await;
        found[ELEMENT].as_str().map(|id| Element(id.to_owned()))
    }

    /// The first element that matches, once it is there and can be seen.
    pub async fn find(&self, selector: &str) -> Element {
        eventually(selector, async || {
            let element = self.look_for(selector).await?;
            let shown =
                self.call(Method::GET, &format!("/element/{}/displayed", element.0), &Value::Null).await;
            (shown == true).then_some(element)
        })
        .await
    }

    /// Looks into a frame from here on; for `None`, at the page again.
    pub async fn enter(&self, frame: Option<&Element>) {
        let id = frame.map_or(Value::Null, |frame| json!({ ELEMENT: frame.0 }));
        self.must(Method::POST, "/frame", &json!({ "id": id })).await;
    }

    /// Clicks as a person does: what lies over the element, or outside the window, is in the way.
    pub async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.must(Method::POST, &format!("/element/{}/click", element.0), &json!({})).await;
    }

    /// Types into a field that is emptied first.
    pub async fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.must(Method::POST, &format!("/element/{}/clear", element.0), &json!({})).await;
        self.type_into(&element, text).await;
    }

    /// Presses keys in an element; WebDriver names special keys by private-use characters, such as U+E007 for Enter.
    pub async fn type_into(&self, element: &Element, text: &str) {
        self.must(Method::POST, &format!("/element/{}/value", element.0), &json!({ "text": text })).await;
    }

    /// The text that a reader sees in an element.
    pub async fn text(&self, selector: &str) -> String {
        let Some(element) = self.look_for(selector).await else { return String::new() };
        let text = self.call(Method::GET, &format!("/element/{}/text", element.0), &Value::Null).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Runs a script in the page and hands back what it returns.
    pub async fn script(&self, script: &str) -> Value {
        self.must(Method::POST, "/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// Saves what can be seen as a PNG file.
    pub async fn screenshot(&self, file: &Path) {
        let image = self.must(Method::GET, "/screenshot", &Value::Null).await;
        std::fs::write(file, STANDARD.decode(image.as_str().expect("an image")).expect("base64"))
            .expect("a writable folder");
    }

    /// What the page complained about: failed loads, refused by the content policy, uncaught errors.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.must(Method::POST, "/se/log", &json!({ "type": "browser" })).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        let grave = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        grave.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Browser {
    /// Asks the driver to go, which closes its browser; killed alone, it would leave the browser behind.
    fn drop(&mut self) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
        let _ = stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
        for _ in 0..100 {
            if !matches!(self.driver.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

async fn port_of(driver: &mut Child) -> u16 {
    let stdout = driver.stdout.take().expect("piped");
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, rest)) = line.split_once("started successfully on port ") {
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            return port.parse().expect("a port");
        }
    }
    panic!("chromedriver ended without naming its port");
}
