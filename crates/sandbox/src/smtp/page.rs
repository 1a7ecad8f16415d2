//! The mailbox in a browser, and as JSON.
//!
//! A mail is a stranger's work: the pages run no script at all, and its HTML is shown in a frame that may neither run
//! one nor reach the page around it.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, REFERRER_POLICY};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{Data, Path, get, resource};
use actix_web::{App, HttpResponse, HttpServer, Responder};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde_json::json;

use super::mailbox::Mailbox;
use super::{Mail, SmtpSinkError};

const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// For a mail's own HTML: pictures and inline styles, no script, an origin of its own; its links open outside.
const MAIL_POLICY: &str = "default-src 'none'; img-src * data:; style-src 'unsafe-inline'; form-action 'none'; sandbox allow-popups allow-popups-to-escape-sandbox";

struct Pages {
    mailbox: Arc<Mailbox>,
    templates: Environment<'static>,
}

/// Serves the mailbox at `address`, in the background.
pub(super) fn serve(
    address: SocketAddr,
    mailbox: Arc<Mailbox>,
) -> Result<(SocketAddr, ServerHandle), SmtpSinkError> {
    let bind = |source| SmtpSinkError::Bind { address, source };
    let pages = Data::new(Pages { mailbox, templates: templates() });
    let server = HttpServer::new(move || {
        let headers = DefaultHeaders::new()
            .add((CONTENT_SECURITY_POLICY, PAGE_POLICY))
            .add((REFERRER_POLICY, "no-referrer"))
            .add((CACHE_CONTROL, "no-store"))
            .add(("X-Content-Type-Options", "nosniff"));
        App::new()
            .app_data(pages.clone())
            .wrap(headers)
            .route("/", get().to(list))
            .route("/mails/{id}", get().to(show))
            .route("/mails/{id}/html", get().to(html))
            .route("/mails/{id}/raw", get().to(raw))
            .service(resource("/api/mails").get(api_list).delete(api_clear))
            .route("/api/mails/{id}", get().to(api_show))
    });
    let server = server.workers(1).disable_signals().shutdown_timeout(0).bind(address).map_err(bind)?;
    let bound = server.addrs().first().copied().unwrap_or(address);
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok((bound, handle))
}

/// `.html` in a template's name is what makes minijinja escape every value.
fn templates() -> Environment<'static> {
    let mut environment = Environment::new();
    for (name, source) in [
        ("layout.html", include_str!("pages/layout.html")),
        ("list.html", include_str!("pages/list.html")),
        ("mail.html", include_str!("pages/mail.html")),
        ("missing.html", include_str!("pages/missing.html")),
    ] {
        if let Err(error) = environment.add_template(name, source) {
            tracing::error!(%error, name, "a page's template is broken");
        }
    }
    environment
}

impl Pages {
    fn render(&self, name: &str, values: &Value) -> HttpResponse {
        match self.templates.get_template(name).and_then(|template| template.render(values)) {
            Ok(page) => HttpResponse::Ok().content_type(ContentType::html()).body(page),
            Err(error) => {
                tracing::error!(%error, name, "a page can't be rendered");
                HttpResponse::InternalServerError().finish()
            }
        }
    }

    fn missing(&self) -> HttpResponse {
        let mut page = self.render("missing.html", &context! {});
        *page.status_mut() = actix_web::http::StatusCode::NOT_FOUND;
        page
    }
}

/// The mail that a path names, if it names one.
fn wanted(pages: &Pages, id: &str) -> Option<Arc<Mail>> {
    pages.mailbox.get(id.parse().ok()?)
}

async fn list(pages: Data<Pages>) -> HttpResponse {
    let mut mails = pages.mailbox.all();
    mails.reverse();
    pages.render("list.html", &context! { mails => Serde(mails) })
}

async fn show(pages: Data<Pages>, id: Path<String>) -> HttpResponse {
    let Some(mail) = wanted(&pages, &id) else { return pages.missing() };
    pages.render("mail.html", &context! { mail => Serde(&*mail) })
}

async fn html(pages: Data<Pages>, id: Path<String>) -> HttpResponse {
    let Some(html) = wanted(&pages, &id).and_then(|mail| mail.html.clone()) else { return pages.missing() };
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_SECURITY_POLICY, MAIL_POLICY)).content_type(ContentType::html());
    // A click on a link shall not open its target within the frame.
    response.body(format!("<base target=\"_blank\">{html}"))
}

async fn raw(pages: Data<Pages>, id: Path<String>) -> HttpResponse {
    let Some(mail) = wanted(&pages, &id) else { return pages.missing() };
    HttpResponse::Ok().content_type(ContentType::plaintext()).body(mail.raw.clone())
}

async fn api_list(pages: Data<Pages>) -> impl Responder {
    HttpResponse::Ok().json(json!({ "mails": pages.mailbox.all() }))
}

async fn api_show(pages: Data<Pages>, id: Path<String>) -> impl Responder {
    match wanted(&pages, &id) {
        Some(mail) => HttpResponse::Ok().json(json!({ "mail": mail })),
        None => HttpResponse::NotFound().json(json!({ "error": "not_found" })),
    }
}

async fn api_clear(pages: Data<Pages>) -> impl Responder {
    pages.mailbox.clear().await;
    HttpResponse::Ok().json(json!({ "mails": [] }))
}
