//! Every route, who may call it, and what is wrapped around all of them.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use casedb::user::Role;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer, Predicate,
        predicate::{DefaultPredicate, NotForContentType},
    },
    timeout::TimeoutLayer,
};

use crate::{
    ApiError, App, api, assets,
    authorise::{
        AccountKeeper, Anyone, CaseReader, Counter, Decider, DeviceKeeper, FrameReader, GlassReader, Handler,
        Inspector, MessageKeeper, Provider, Reader, Requirement, Reviewer, Tracker, Watcher, refuse_foreign,
    },
    events, openapi, receipts,
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Everybody, without a session.
    Public,
    /// A session whose user has one of these roles.
    Roles(&'static [Role]),
}

/// Every route of the API: method, path as in the OpenAPI document, admission. The tests call each as each role.
pub const ROUTES: &[(&str, &str, Admission)] = &[
    ("post", "/api/v1/session", Admission::Public),
    ("get", "/api/v1/session", Admission::Roles(Anyone::ROLES)),
    ("delete", "/api/v1/session", Admission::Public),
    ("get", "/api/v1/incidents", Admission::Roles(Reader::ROLES)),
    ("get", "/api/v1/incidents/{id}", Admission::Roles(Reader::ROLES)),
    (
        "get",
        "/api/v1/incidents/{id}/evidence",
        Admission::Roles(CaseReader::ROLES),
    ),
    (
        "post",
        "/api/v1/incidents/{id}/acknowledge",
        Admission::Roles(Handler::ROLES),
    ),
    ("post", "/api/v1/incidents/{id}/notes", Admission::Roles(Handler::ROLES)),
    ("post", "/api/v1/incidents/{id}/close", Admission::Roles(Handler::ROLES)),
    ("post", "/api/v1/incidents/{id}/start", Admission::Roles(Handler::ROLES)),
    (
        "post",
        "/api/v1/incidents/{id}/take-over",
        Admission::Roles(Handler::ROLES),
    ),
    (
        "post",
        "/api/v1/incidents/{id}/suspend",
        Admission::Roles(Handler::ROLES),
    ),
    (
        "post",
        "/api/v1/incidents/{id}/resume",
        Admission::Roles(Handler::ROLES),
    ),
    (
        "get",
        "/api/v1/incidents/{id}/concerned",
        Admission::Roles(Reader::ROLES),
    ),
    ("post", "/api/v1/incidents/{id}/merge", Admission::Roles(Handler::ROLES)),
    ("post", "/api/v1/incidents/{id}/split", Admission::Roles(Handler::ROLES)),
    ("get", "/api/v1/closing-codes", Admission::Roles(Anyone::ROLES)),
    ("get", "/api/v1/people", Admission::Roles(Reader::ROLES)),
    ("get", "/api/v1/people/{id}", Admission::Roles(Reader::ROLES)),
    ("post", "/api/v1/people/{id}", Admission::Roles(Handler::ROLES)),
    ("get", "/api/v1/people/{id}/track", Admission::Roles(Tracker::ROLES)),
    (
        "get",
        "/api/v1/people/{id}/distances",
        Admission::Roles(CaseReader::ROLES),
    ),
    (
        "post",
        "/api/v1/people/{id}/distances",
        Admission::Roles(Handler::ROLES),
    ),
    ("get", "/api/v1/calendars", Admission::Roles(CaseReader::ROLES)),
    ("post", "/api/v1/calendars", Admission::Roles(Handler::ROLES)),
    ("get", "/api/v1/people/{id}/orders", Admission::Roles(CaseReader::ROLES)),
    ("post", "/api/v1/people/{id}/orders", Admission::Roles(Decider::ROLES)),
    ("get", "/api/v1/law-profiles", Admission::Roles(CaseReader::ROLES)),
    ("post", "/api/v1/orders/{id}/decision", Admission::Roles(Decider::ROLES)),
    ("post", "/api/v1/orders/{id}/notices", Admission::Roles(Decider::ROLES)),
    (
        "post",
        "/api/v1/orders/{id}/extensions",
        Admission::Roles(Decider::ROLES),
    ),
    ("post", "/api/v1/orders/{id}/reviews", Admission::Roles(Decider::ROLES)),
    (
        "post",
        "/api/v1/orders/{id}/variations",
        Admission::Roles(Decider::ROLES),
    ),
    (
        "get",
        "/api/v1/orders/{id}/priorities",
        Admission::Roles(CaseReader::ROLES),
    ),
    (
        "put",
        "/api/v1/orders/{id}/priorities",
        Admission::Roles(Decider::ROLES),
    ),
    (
        "post",
        "/api/v1/orders/{id}/revocation",
        Admission::Roles(Decider::ROLES),
    ),
    ("post", "/api/v1/people/{id}/leave", Admission::Roles(Decider::ROLES)),
    (
        "post",
        "/api/v1/leave/{id}/withdrawal",
        Admission::Roles(Decider::ROLES),
    ),
    ("get", "/api/v1/people/{id}/zones", Admission::Roles(CaseReader::ROLES)),
    ("post", "/api/v1/people/{id}/zones", Admission::Roles(Decider::ROLES)),
    (
        "post",
        "/api/v1/people/{id}/zones/preview",
        Admission::Roles(Decider::ROLES),
    ),
    ("get", "/api/v1/people/{id}/devices", Admission::Roles(Handler::ROLES)),
    ("post", "/api/v1/people/{id}/devices", Admission::Roles(Handler::ROLES)),
    ("post", "/api/v1/leave/{id}/decision", Admission::Roles(Decider::ROLES)),
    ("get", "/api/v1/people/{id}/casework", Admission::Roles(Handler::ROLES)),
    (
        "post",
        "/api/v1/people/{id}/person-notes",
        Admission::Roles(Handler::ROLES),
    ),
    ("post", "/api/v1/people/{id}/contacts", Admission::Roles(Handler::ROLES)),
    (
        "post",
        "/api/v1/violations/{id}/outcome",
        Admission::Roles(Handler::ROLES),
    ),
    ("get", "/api/v1/devices/silent", Admission::Roles(Handler::ROLES)),
    ("get", "/api/v1/people/{id}/commands", Admission::Roles(Handler::ROLES)),
    ("post", "/api/v1/people/{id}/commands", Admission::Roles(Handler::ROLES)),
    ("get", "/api/v1/commands/{id}", Admission::Roles(Handler::ROLES)),
    ("post", "/api/v1/commands/{id}/cancel", Admission::Roles(Handler::ROLES)),
    ("post", "/api/v1/break-glass", Admission::Roles(Handler::ROLES)),
    ("get", "/api/v1/break-glass", Admission::Roles(GlassReader::ROLES)),
    (
        "post",
        "/api/v1/break-glass/{id}/close",
        Admission::Roles(Handler::ROLES),
    ),
    (
        "post",
        "/api/v1/break-glass/{id}/review",
        Admission::Roles(Reviewer::ROLES),
    ),
    ("get", "/api/v1/quarantine", Admission::Roles(DeviceKeeper::ROLES)),
    (
        "get",
        "/api/v1/quarantine/frames/{id}",
        Admission::Roles(FrameReader::ROLES),
    ),
    (
        "get",
        "/api/v1/messages/undelivered",
        Admission::Roles(MessageKeeper::ROLES),
    ),
    (
        "post",
        "/api/v1/messages/{id}/retry",
        Admission::Roles(MessageKeeper::ROLES),
    ),
    ("get", "/api/v1/statistics", Admission::Roles(Counter::ROLES)),
    ("get", "/api/v1/audit/chain", Admission::Roles(Inspector::ROLES)),
    ("get", "/api/v1/audit/readings", Admission::Roles(Watcher::ROLES)),
    ("get", "/api/v1/audit/readings.csv", Admission::Roles(Watcher::ROLES)),
    ("get", "/api/v1/audit/emergencies", Admission::Roles(Watcher::ROLES)),
    ("get", "/api/v1/audit/emergencies.csv", Admission::Roles(Watcher::ROLES)),
    ("get", "/api/v1/care", Admission::Roles(Provider::ROLES)),
    ("get", "/api/v1/care/{id}", Admission::Roles(Provider::ROLES)),
    ("post", "/api/v1/care/{id}/notes", Admission::Roles(Provider::ROLES)),
    ("post", "/api/v1/care/{id}/swap", Admission::Roles(Provider::ROLES)),
    ("get", "/api/v1/accounts", Admission::Roles(AccountKeeper::ROLES)),
    ("post", "/api/v1/accounts", Admission::Roles(AccountKeeper::ROLES)),
    ("post", "/api/v1/accounts/{id}", Admission::Roles(AccountKeeper::ROLES)),
    (
        "post",
        "/api/v1/accounts/{id}/password",
        Admission::Roles(AccountKeeper::ROLES),
    ),
    ("get", "/api/v1/push", Admission::Roles(Anyone::ROLES)),
    ("post", "/api/v1/push/subscriptions", Admission::Roles(Anyone::ROLES)),
    ("delete", "/api/v1/push/subscriptions", Admission::Roles(Anyone::ROLES)),
    ("post", "/receipts/sms", Admission::Public),
    ("get", "/api/v1/platform", Admission::Roles(Anyone::ROLES)),
    ("get", "/api/v1/map/town", Admission::Roles(Anyone::ROLES)),
    ("get", "/basemap.pmtiles", Admission::Roles(Anyone::ROLES)),
    ("get", "/api/v1/stream", Admission::Roles(Reader::ROLES)),
    ("get", "/api/v1/openapi.json", Admission::Public),
    ("get", "/livez", Admission::Public),
    ("get", "/readyz", Admission::Public),
];

/// Bigger requests are refused unread: the longest is a note.
const BIGGEST_BODY: usize = 64 * 1024;
/// A request that takes longer is given up; streams and downloads only have to begin.
const LONGEST: Duration = Duration::from_secs(30);

/// The page runs only what came with it. `blob:` is for MapLibre's worker.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
    font-src 'self'; connect-src 'self'; worker-src 'self' blob:; child-src blob:; manifest-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// Builds the service.
pub fn build(app: App) -> Router {
    routes().with_state(app)
}

/// Every route, with what is wrapped around it. A test holds it to [`ROUTES`].
fn routes() -> Router<App> {
    let api = Router::new()
        .route(
            "/session",
            post(api::session::log_in)
                .get(api::session::who)
                .delete(api::session::log_out),
        )
        .route("/incidents", get(api::incidents::list))
        .route("/incidents/{id}", get(api::incidents::one))
        .route("/incidents/{id}/evidence", get(api::evidence::download))
        .route("/incidents/{id}/acknowledge", post(api::incidents::acknowledge))
        .route("/incidents/{id}/notes", post(api::incidents::note))
        .route("/incidents/{id}/close", post(api::incidents::close))
        .route("/incidents/{id}/start", post(api::course::start))
        .route("/incidents/{id}/take-over", post(api::course::take_over))
        .route("/incidents/{id}/suspend", post(api::course::suspend))
        .route("/incidents/{id}/resume", post(api::course::resume))
        .route("/incidents/{id}/concerned", get(api::concerned::list))
        .route("/incidents/{id}/merge", post(api::course::merge))
        .route("/incidents/{id}/split", post(api::course::split))
        .route("/closing-codes", get(api::incidents::closing_codes))
        .route("/people", get(api::people::list))
        .route("/people/{id}", get(api::people::one).post(api::records::change))
        .route(
            "/people/{id}/distances",
            get(api::distances::list).post(api::distances::change),
        )
        .route("/calendars", get(api::calendars::list).post(api::calendars::change))
        .route("/people/{id}/track", get(api::people::track))
        .route("/people/{id}/orders", get(api::orders::list).post(api::drafting::make))
        .route("/law-profiles", get(api::drafting::profiles))
        .route("/orders/{id}/notices", post(api::drafting::serve))
        .route("/orders/{id}/extensions", post(api::drafting::extend))
        .route("/orders/{id}/reviews", post(api::drafting::review))
        .route("/orders/{id}/variations", post(api::drafting::vary))
        .route(
            "/orders/{id}/priorities",
            get(api::priorities::show).put(api::priorities::set),
        )
        .route("/orders/{id}/revocation", post(api::drafting::revoke))
        .route("/people/{id}/leave", post(api::passes::ask))
        .route("/leave/{id}/withdrawal", post(api::passes::withdraw))
        .route("/people/{id}/zones", get(api::zones::list).post(api::zones::change))
        .route("/people/{id}/zones/preview", post(api::preview::run))
        .route(
            "/people/{id}/devices",
            get(api::devices::show).post(api::devices::change),
        )
        .route("/orders/{id}/decision", post(api::orders::decide))
        .route("/leave/{id}/decision", post(api::orders::decide_leave))
        .route("/people/{id}/casework", get(api::casework::show))
        .route("/people/{id}/person-notes", post(api::casework::write_note))
        .route("/people/{id}/contacts", post(api::casework::write_contact))
        .route("/violations/{id}/outcome", post(api::casework::decide))
        .route("/devices/silent", get(api::casework::silent))
        .route(
            "/people/{id}/commands",
            get(api::commands::list).post(api::commands::place),
        )
        .route("/commands/{id}", get(api::commands::one))
        .route("/commands/{id}/cancel", post(api::commands::cancel))
        .route("/statistics", get(api::statistics::show))
        .route("/audit/chain", get(api::audit::chain))
        .route("/audit/readings", get(api::audit::readings))
        .route("/audit/readings.csv", get(api::audit::readings_file))
        .route("/audit/emergencies", get(api::audit::emergencies))
        .route("/audit/emergencies.csv", get(api::audit::emergencies_file))
        .route("/care", get(api::care::list))
        .route("/care/{id}", get(api::care::one))
        .route("/care/{id}/notes", post(api::care::write_note))
        .route("/care/{id}/swap", post(api::care::swap))
        .route("/accounts", get(api::accounts::list).post(api::accounts::add))
        .route("/accounts/{id}", post(api::accounts::change))
        .route("/accounts/{id}/password", post(api::accounts::reset))
        .route("/break-glass", get(api::glass::list).post(api::glass::open))
        .route("/break-glass/{id}/close", post(api::glass::close))
        .route("/break-glass/{id}/review", post(api::glass::review))
        .route("/quarantine", get(api::quarantine::list))
        .route("/quarantine/frames/{id}", get(api::quarantine::frame))
        .route("/platform", get(api::platform::show))
        .route("/messages/undelivered", get(api::messages::undelivered))
        .route("/messages/{id}/retry", post(api::messages::retry))
        .route("/push", get(api::push::state))
        .route(
            "/push/subscriptions",
            post(api::push::subscribe).delete(api::push::unsubscribe),
        )
        .route("/map/town", get(api::map::town))
        .route("/stream", get(events::stream_changes))
        .route("/openapi.json", get(openapi::document))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(no_such_path)
        .layer(middleware::from_fn(refuse_foreign))
        .layer(middleware::from_fn(no_store));
    // Lines of a preview are to arrive when they are said.
    let compressed = DefaultPredicate::new()
        .and(NotForContentType::new("application/vnd.pmtiles"))
        .and(NotForContentType::new("application/x-ndjson"));
    Router::new()
        .nest("/api/v1", api)
        .route("/basemap.pmtiles", get(assets::basemap))
        .route("/receipts/sms", post(receipts::sms))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .fallback(assets::page)
        .layer(DefaultBodyLimit::max(BIGGEST_BODY))
        .layer(CompressionLayer::new().compress_when(compressed))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, LONGEST))
        .layer(CatchPanicLayer::custom(|_| ApiError::Internal.into_response()))
        .layer(middleware::from_fn(count))
        .layer(middleware::from_fn(secure))
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

async fn no_such_path() -> ApiError {
    ApiError::NotFound("path")
}

/// Adds the headers that keep browsers from doing what the page does not need.
async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Keeps answers about people out of caches, where the handler does not say otherwise.
async fn no_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn count(request: Request, next: Next) -> Response {
    let start = std::time::Instant::now();
    let response = next.run(request).await;
    let status = match response.status().as_u16() {
        ..=399 => "ok",
        400..=499 => "refused",
        _ => "failed",
    };
    metrics::counter!("homeward_console_requests_total", "outcome" => status).increment(1);
    metrics::histogram!("homeward_console_request_seconds").record(start.elapsed().as_secs_f64());
    response
}

/// The process runs.
#[utoipa::path(get, path = "/livez", tag = "operation", responses((status = 200, description = "The process runs", content_type = "text/plain")))]
pub async fn livez() -> &'static str {
    "ok\n"
}

/// The process can serve: the database answers, and the rest of the process is ready.
#[utoipa::path(get, path = "/readyz", tag = "operation", responses(
    (status = 200, description = "It can serve", content_type = "text/plain"),
    (status = 503, description = "It cannot; the body says why", content_type = "text/plain"),
))]
pub async fn readyz(State(app): State<App>) -> Response {
    let database = tokio::time::timeout(Duration::from_secs(2), app.0.owner.ready()).await;
    let reason = match database {
        Err(_) => Err("database: no answer within 2 s".to_owned()),
        Ok(Err(error @ casedb::Error::Clocks { .. })) => Err(error.to_string()),
        // Other reasons of the database name hosts: it is in the log, not on an open port.
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            Err("database: unavailable".to_owned())
        }
        Ok(Ok(())) => (app.0.ready)(),
    };
    match reason {
        Ok(()) => Body::from("ok\n").into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use utoipa::OpenApi;

    use super::ROUTES;

    /// What the router itself says that it has.
    #[test]
    fn the_router_has_every_route_of_the_table_and_no_other() {
        let shown = format!("{:?}", super::routes());
        let in_router: BTreeSet<&str> = shown
            .split('"')
            // The page's own fallback and the prefix of the API are no routes.
            .filter(|part| part.starts_with('/') && !part.contains("__private") && !["/", "/api/v1"].contains(part))
            .collect();
        let table: BTreeSet<&str> = ROUTES.iter().map(|(_, path, _)| *path).collect();
        let unruled: Vec<_> = in_router.difference(&table).collect();
        assert!(
            unruled.is_empty(),
            "in the router and without an admission in ROUTES: {unruled:?}"
        );
        let gone: Vec<_> = table.difference(&in_router).collect();
        assert!(gone.is_empty(), "in ROUTES and not in the router: {gone:?}");
    }

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let document = serde_json::to_value(crate::openapi::Document::openapi()).unwrap();
        assert!(
            document["openapi"].as_str().unwrap().starts_with("3.1"),
            "{}",
            document["openapi"]
        );
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                methods
                    .as_object()
                    .unwrap()
                    .keys()
                    .map(|method| (method.clone(), path.clone()))
                    .collect::<Vec<_>>()
            })
            .collect();
        let table: BTreeSet<_> = ROUTES
            .iter()
            .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
            .collect();
        assert_eq!(described, table);
    }
}
