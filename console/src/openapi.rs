//! The API's own description, OpenAPI 3.1.

use axum::Json;
use utoipa::OpenApi;

use crate::{api, assets, error, events, receipts, router};

/// Every route, schema and error.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Homeward console",
        description = "Incidents, people and live updates for the duty room. Log in with POST /api/v1/session; the answer sets \
            the cookie `homeward_session`. Every method but GET and HEAD needs the header `X-Homeward-Request: 1`. What makes or \
            changes something takes the header `Idempotency-Key`, a UUID of the client's making: sent again under it within a day, because no \
            answer came, it is not done twice, and the answer is how things stand; the key with something else is 422 `key_taken`. Who sees what \
            follows from the user's agency: an object outside it is 404."
    ),
    paths(
        api::session::log_in,
        api::session::who,
        api::session::log_out,
        api::incidents::list,
        api::incidents::one,
        api::evidence::download,
        api::incidents::acknowledge,
        api::incidents::note,
        api::incidents::close,
        api::course::start,
        api::course::take_over,
        api::course::suspend,
        api::course::resume,
        api::concerned::list,
        api::course::merge,
        api::course::split,
        api::incidents::closing_codes,
        api::people::list,
        api::people::one,
        api::people::track,
        api::records::change,
        api::distances::list,
        api::distances::change,
        api::calendars::list,
        api::calendars::change,
        api::orders::list,
        api::orders::decide,
        api::orders::decide_leave,
        api::drafting::profiles,
        api::drafting::make,
        api::drafting::serve,
        api::drafting::extend,
        api::drafting::review,
        api::drafting::vary,
        api::drafting::revoke,
        api::priorities::show,
        api::priorities::set,
        api::passes::ask,
        api::passes::withdraw,
        api::zones::list,
        api::zones::change,
        api::preview::run,
        api::devices::show,
        api::devices::change,
        api::casework::show,
        api::casework::write_note,
        api::casework::write_contact,
        api::casework::decide,
        api::casework::silent,
        api::commands::list,
        api::commands::place,
        api::commands::one,
        api::commands::cancel,
        api::glass::open,
        api::glass::list,
        api::glass::close,
        api::glass::review,
        api::statistics::show,
        api::audit::chain,
        api::audit::readings,
        api::audit::readings_file,
        api::audit::emergencies,
        api::audit::emergencies_file,
        api::care::list,
        api::care::one,
        api::care::write_note,
        api::care::swap,
        api::accounts::list,
        api::accounts::add,
        api::accounts::change,
        api::accounts::reset,
        api::quarantine::list,
        api::quarantine::frame,
        api::messages::undelivered,
        api::messages::retry,
        api::push::state,
        api::push::subscribe,
        api::push::unsubscribe,
        receipts::sms,
        api::platform::show,
        api::map::town,
        assets::basemap,
        events::stream_changes,
        document,
        router::livez,
        router::readyz,
    ),
    components(schemas(error::ErrorBody, events::Beat, events::IncidentChange, events::CommandChange))
)]
pub struct Document;

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "description", responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")))]
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
