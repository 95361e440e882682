//! The page, embedded, and the basemap, from its file.

use std::{path::PathBuf, time::UNIX_EPOCH};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::{
    ApiError, App,
    authorise::{Anyone, Authorised},
};

/// What `npm run build` made, or, where it has not run, a page that says so (see `build.rs`).
#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Page;

/// Serves a file of the page; any other path gets the page itself, which knows its own paths.
pub async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") {
        return ApiError::NotFound("path").into_response();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        return ApiError::MethodNotAllowed.into_response();
    }
    if let Some(file) = Page::get(path) {
        return serve(&file, path, &headers);
    }
    // A missing file must not look like the page: a stale page would try to run it.
    if path.starts_with("assets/") || path.rsplit('/').next().is_some_and(|name| name.contains('.')) {
        return ApiError::NotFound("file").into_response();
    }
    Page::get("index.html").map_or_else(
        || ApiError::NotFound("page").into_response(),
        |file| serve(&file, "index.html", &headers),
    )
}

fn serve(file: &EmbeddedFile, path: &str, asked: &HeaderMap) -> Response {
    let tag = format!(
        "\"{}\"",
        hex::encode(file.metadata.sha256_hash().get(..16).unwrap_or_default())
    );
    // Names under assets/ carry a hash of their content.
    let cache = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let kind = match path.rsplit('.').next() {
        // So that browsers run modules whatever the table of types says.
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        _ => file.metadata.mimetype(),
    };
    let mut response = if asked
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == tag.as_bytes())
    {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(file.data.to_vec()).into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, cache),
        (header::ETAG, tag.as_str()),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

/// A PMTiles file.
#[derive(Debug, Clone)]
pub struct Basemap {
    path: PathBuf,
    length: u64,
    tag: String,
}

impl Basemap {
    /// Looks at the file's first bytes; the reason when it cannot serve.
    pub async fn open(path: &std::path::Path) -> Result<Self, String> {
        let mut file = tokio::fs::File::open(path).await.map_err(|error| error.to_string())?;
        let mut magic = [0; 8];
        file.read_exact(&mut magic).await.map_err(|error| error.to_string())?;
        if &magic != b"PMTiles\x03" {
            return Err("not a PMTiles file of version 3".to_owned());
        }
        let metadata = file.metadata().await.map_err(|error| error.to_string())?;
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |since| since.as_micros());
        Ok(Self {
            path: path.to_owned(),
            length: metadata.len(),
            tag: format!("\"{:x}-{modified:x}\"", metadata.len()),
        })
    }
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    /// First byte and how many.
    Part(u64, u64),
    Impossible,
}

/// Reads one range (RFC 9110, section 14); several ranges, or another unit, get the whole file, as the standard allows.
fn wanted(text: Option<&str>, length: u64) -> Wanted {
    let Some(range) = text.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.split_once('-').filter(|_| !range.contains(',')) else {
        return Wanted::Whole;
    };
    match (first.trim().parse::<u64>(), last.trim()) {
        (Ok(first), _) if first >= length => Wanted::Impossible,
        (Ok(first), "") => Wanted::Part(first, length - first),
        (Ok(first), last) => match last.parse::<u64>() {
            Ok(last) if last >= first => Wanted::Part(first, last.min(length - 1) - first + 1),
            _ => Wanted::Whole,
        },
        (Err(_), last) if first.trim().is_empty() => match last.parse::<u64>() {
            Ok(0) => Wanted::Impossible,
            Ok(suffix) => Wanted::Part(length.saturating_sub(suffix), suffix.min(length)),
            Err(_) => Wanted::Whole,
        },
        (Err(_), _) => Wanted::Whole,
    }
}

/// The basemap: a PMTiles file, of which the page reads ranges.
#[utoipa::path(get, path = "/basemap.pmtiles", tag = "map", responses(
    (status = 200, description = "The whole file", content_type = "application/vnd.pmtiles"),
    (status = 206, description = "The range asked for", content_type = "application/vnd.pmtiles"),
    (status = 304, description = "Not changed"),
    (status = 401, description = "No session", body = crate::error::ErrorBody),
    (status = 404, description = "No basemap is configured", body = crate::error::ErrorBody),
    (status = 416, description = "The range is outside the file"),
))]
pub async fn basemap(
    _caller: Authorised<Anyone>,
    State(app): State<App>,
    asked: HeaderMap,
) -> Result<Response, ApiError> {
    let basemap = app.0.basemap.as_ref().ok_or(ApiError::NotFound("basemap"))?;
    let text = |name| asked.get(name).and_then(|value| value.to_str().ok());
    let mut response = if text(header::IF_NONE_MATCH) == Some(basemap.tag.as_str()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let stale = text(header::IF_RANGE).is_some_and(|tag| tag != basemap.tag);
        let range = if stale {
            Wanted::Whole
        } else {
            wanted(text(header::RANGE), basemap.length)
        };
        part(basemap, &range).await.map_err(|error| {
            tracing::error!(%error, "the basemap cannot be read");
            ApiError::Internal
        })?
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/vnd.pmtiles"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    if let Ok(tag) = HeaderValue::from_str(&basemap.tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}

async fn part(basemap: &Basemap, range: &Wanted) -> std::io::Result<Response> {
    let (status, first, count) = match range {
        Wanted::Whole => (StatusCode::OK, 0, basemap.length),
        Wanted::Part(first, count) => (StatusCode::PARTIAL_CONTENT, *first, *count),
        Wanted::Impossible => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            set(
                &mut response,
                header::CONTENT_RANGE,
                &format!("bytes */{}", basemap.length),
            );
            return Ok(response);
        }
    };
    let mut file = tokio::fs::File::open(&basemap.path).await?;
    file.seek(std::io::SeekFrom::Start(first)).await?;
    let mut response = (
        status,
        Body::from_stream(ReaderStream::with_capacity(file.take(count), 64 * 1024)),
    )
        .into_response();
    set(&mut response, header::CONTENT_LENGTH, &count.to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        let last = first + count.saturating_sub(1);
        set(
            &mut response,
            header::CONTENT_RANGE,
            &format!("bytes {first}-{last}/{}", basemap.length),
        );
    }
    Ok(response)
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        assert_eq!(wanted(None, 100), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-9"), 100), Wanted::Part(0, 10));
        assert_eq!(wanted(Some("bytes=90-"), 100), Wanted::Part(90, 10));
        assert_eq!(wanted(Some("bytes=90-500"), 100), Wanted::Part(90, 10));
        assert_eq!(wanted(Some("bytes=-5"), 100), Wanted::Part(95, 5));
        assert_eq!(wanted(Some("bytes=-500"), 100), Wanted::Part(0, 100));
        assert_eq!(wanted(Some("bytes=100-"), 100), Wanted::Impossible);
        assert_eq!(wanted(Some("bytes=-0"), 100), Wanted::Impossible);
        assert_eq!(wanted(Some("bytes=9-1"), 100), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-1,4-5"), 100), Wanted::Whole);
        assert_eq!(wanted(Some("lines=0-1"), 100), Wanted::Whole);
    }
}
