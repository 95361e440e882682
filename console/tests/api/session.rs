//! Logging in and out, sessions, and guessing passwords.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn logging_in_and_out() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    let session = chen.get("/api/v1/session").await?;
    assert_eq!(session["user"]["role"], "duty_officer");
    assert_eq!(session["user"]["branch"], "police");
    assert_eq!(session["user"]["time_zone"], "Asia/Shanghai");
    assert_eq!(session["basemap"]["url"], "/basemap.pmtiles");

    // The table has no token that opens a session.
    let token = chen.cookie.split('=').nth(1).context("token")?;
    assert_eq!(
        room.number(&format!(
            "SELECT count(*) FROM user_session WHERE encode(token_hash, 'hex') = '{token}'"
        ))
        .await?,
        0
    );

    let wrong = room.try_log_in("chen.yu", "not the password").await?;
    assert_eq!(error_of(wrong).await?, (401, "wrong_credentials".into()));
    let unknown = room.try_log_in("nobody", PASSWORD).await?;
    assert_eq!(error_of(unknown).await?, (401, "wrong_credentials".into()));
    // A name that is no account's (maybe a password in the wrong field) is not written down.
    assert_eq!(
        room.number("SELECT count(*) FROM sign_in_attempt WHERE username = 'nobody'")
            .await?,
        0
    );
    assert_eq!(
        room.number("SELECT count(*) FROM sign_in_attempt WHERE NOT succeeded")
            .await?,
        1
    );

    let left = chen.send(Method::DELETE, "/api/v1/session", None).await?;
    assert_eq!(left.status(), StatusCode::NO_CONTENT);
    assert_eq!(chen.refused("/api/v1/session").await?, (401, "not_logged_in".into()));

    // Sessions end by themselves, and with their account.
    let lind = room.log_in("lind").await?;
    room.sql("UPDATE user_session SET expires_at = now() - interval '1 second'")
        .await?;
    assert_eq!(lind.refused("/api/v1/session").await?.0, 401);
    let novak = room.log_in("novak").await?;
    room.sql("UPDATE app_user SET disabled_at = now() WHERE username = 'novak'")
        .await?;
    assert_eq!(novak.refused("/api/v1/incidents").await?.0, 401);
    assert_eq!(
        room.try_log_in("novak", PASSWORD).await?.status(),
        StatusCode::UNAUTHORIZED
    );
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_slides() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    room.sql(
        "UPDATE user_session SET last_seen_at = now() - interval '1 hour', expires_at = now() + interval '11 hours'",
    )
    .await?;
    chen.get("/api/v1/session").await?;
    let left = room
        .number("SELECT extract(epoch FROM expires_at - now())::int8 FROM user_session")
        .await?;
    assert!((43_100..=43_200).contains(&left), "{left}");
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down() -> Result<()> {
    let room = room!();
    for _ in 0..5 {
        assert_eq!(
            room.try_log_in("chen.yu", "guess").await?.status(),
            StatusCode::UNAUTHORIZED
        );
    }
    let sixth = room.try_log_in("chen.yu", PASSWORD).await?;
    assert!(sixth.headers()["retry-after"].to_str()?.parse::<u64>()? > 0);
    assert_eq!(error_of(sixth).await?, (429, "too_many_attempts".into()));
    // Another name from the same address is not held up.
    room.log_in("moreno").await?;
    room.close().await
}
