//! What is drawn under zones and fixes where there is no basemap.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use crate::{
    ApiError, App,
    authorise::{Anyone, Authorised},
    error::ErrorBody,
};

/// Streets of the invented town, as GeoJSON; only in a demonstration.
#[utoipa::path(get, path = "/api/v1/map/town", tag = "map", responses(
    (status = 200, description = "A GeoJSON FeatureCollection of lines", content_type = "application/geo+json"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 404, description = "Not a demonstration", body = ErrorBody),
))]
pub async fn town(_caller: Authorised<Anyone>, State(app): State<App>) -> Result<Response, ApiError> {
    let town = app.0.town.clone().ok_or(ApiError::NotFound("town"))?;
    Ok((
        [
            (header::CONTENT_TYPE, "application/geo+json"),
            (header::CACHE_CONTROL, "private, max-age=3600"),
        ],
        town,
    )
        .into_response())
}
