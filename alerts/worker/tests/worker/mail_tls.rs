//! Mail over TLS, against a mail server with certificates of a house's own: with and without a log-in, and everything that must not be believed.

use std::{path::PathBuf, sync::Arc};

use alerts::route::Channel;
use anyhow::Result;
use homeward_alerts_worker::{Credentials, SmtpConfig, SmtpTls, WorkerConfig, WorkerError, channel::mail::Mail};
use proto::wire::{Edge, EventKind};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

use crate::support::{self, LogIn, MAIL_USER, MailServer, World, event, wait_for};

/// An authority, and what it signs.
struct House {
    authority: CertifiedIssuer<'static, KeyPair>,
    _folder: tempfile::TempDir,
    file: PathBuf,
}

impl House {
    fn new() -> Self {
        let mut own = CertificateParams::new(Vec::new()).unwrap();
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(own, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authority.pem");
        std::fs::write(&file, authority.pem()).unwrap();
        Self {
            authority,
            _folder: folder,
            file,
        }
    }

    /// A server's certificate for a name or an address, valid in these years.
    fn server(&self, name: &str, years: (i32, i32)) -> TlsAcceptor {
        let mut own = CertificateParams::new([name.to_owned()]).unwrap();
        own.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        own.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let made = own.signed_by(&key, &self.authority).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

const NOW: (i32, i32) = (2020, 2100);

fn settings(server: &MailServer, tls: SmtpTls, house: &House, password: &str) -> SmtpConfig {
    SmtpConfig {
        tls,
        ca_file: Some(house.file.clone()),
        credentials: Some(Credentials {
            username: MAIL_USER.0.to_owned(),
            password: password.to_owned(),
        }),
        ..server.config()
    }
}

async fn send(config: &SmtpConfig) -> Result<(), String> {
    let mail = Mail::new(config).unwrap();
    let sent = mail.plain("duty@agency.example", "1", "subject", "body").await;
    sent.map_err(|error| format!("{error:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_goes_over_tls_alone() -> Result<()> {
    let house = House::new();
    for tls in [SmtpTls::StartTls, SmtpTls::Tls] {
        for mechanisms in ["PLAIN LOGIN", "LOGIN"] {
            let acceptor = house.server("127.0.0.1", NOW);
            let server = MailServer::protected(LogIn::By(mechanisms), Some((tls, acceptor))).await?;
            send(&settings(&server, tls, &house, MAIL_USER.1)).await.unwrap();
            assert_eq!(server.mails().len(), 1, "{tls:?} {mechanisms}");
            assert!(server.logged_in()[0].ends_with(" true"));
            assert!(send(&settings(&server, tls, &house, "wrong")).await.is_err());
            assert!(server.logged_in()[1].ends_with(" false"));
            assert_eq!(server.mails().len(), 1);
            assert!(server.said_in_clear().is_empty(), "{:?}", server.said_in_clear());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_the_server_hears_nothing() -> Result<()> {
    let (house, other) = (House::new(), House::new());
    for tls in [SmtpTls::StartTls, SmtpTls::Tls] {
        let wrong = [
            ("another authority", other.server("127.0.0.1", NOW)),
            ("another name", house.server("mail.example", NOW)),
            ("run out", house.server("127.0.0.1", (2020, 2021))),
        ];
        for (what, acceptor) in wrong {
            let server = MailServer::protected(LogIn::By("PLAIN"), Some((tls, acceptor))).await?;
            let refused = send(&settings(&server, tls, &house, MAIL_USER.1)).await.unwrap_err();
            assert!(
                refused.contains("certificate") || refused.contains("Cert"),
                "{what}: {refused}"
            );
            assert!(
                server.mails().is_empty() && server.logged_in().is_empty(),
                "{tls:?} {what}"
            );
            assert!(
                server.said_in_clear().is_empty(),
                "{tls:?} {what}: {:?}",
                server.said_in_clear()
            );
        }
        // Without the file the house's authority is one of nobody's.
        let server = MailServer::protected(LogIn::By("PLAIN"), Some((tls, house.server("127.0.0.1", NOW)))).await?;
        let public = SmtpConfig {
            ca_file: None,
            ..settings(&server, tls, &house, MAIL_USER.1)
        };
        assert!(send(&public).await.is_err() && server.logged_in().is_empty());
        // A server that offers no TLS, or a man in the middle who takes the offer away, gets neither password nor mail.
        let clear = MailServer::asking(LogIn::By("PLAIN LOGIN")).await?;
        assert!(send(&settings(&clear, tls, &house, MAIL_USER.1)).await.is_err());
        assert!(clear.logged_in().is_empty() && clear.mails().is_empty(), "{tls:?}");
    }
    let missing = SmtpConfig {
        ca_file: Some("/nowhere/authority.pem".into()),
        tls: SmtpTls::Tls,
        ..MailServer::start().await?.config()
    };
    let refused = Mail::new(&missing).unwrap_err();
    assert!(matches!(&refused, WorkerError::Channel { channel: "mail", reason } if reason.contains("authority.pem")));
    Ok(())
}

/// From the queue: what could not be sent safely waits, and goes when the server is itself again.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_a_server_that_can_be_believed() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let (house, other) = (House::new(), House::new());
    let wrong = MailServer::protected(
        LogIn::By("PLAIN"),
        Some((SmtpTls::StartTls, other.server("127.0.0.1", NOW))),
    )
    .await?;
    world
        .target(world.police, Channel::Mail, "duty@agency.example", None, 4)
        .await?;
    let person = world.person("HZ-1", 2).await?;
    let running = world.start(WorkerConfig {
        smtp: Some(settings(&wrong, SmtpTls::StartTls, &house, MAIL_USER.1)),
        max_attempts: 100,
        ..support::quick()
    });
    world
        .append(&[event(person, EventKind::StrapTamper, Edge::Onset, None, 1)])
        .await?;
    wait_for("a few tries", async || {
        let tried = "SELECT 1::text FROM notification WHERE recipient = 'duty@agency.example' AND attempts > 2 AND state = 'queued'";
        (!world.strings(tried).await.is_empty()).then_some(())
    })
    .await;
    running.stop().await?;
    assert!(wrong.mails().is_empty() && wrong.logged_in().is_empty());

    let right = MailServer::protected(
        LogIn::By("PLAIN"),
        Some((SmtpTls::StartTls, house.server("127.0.0.1", NOW))),
    )
    .await?;
    let running = world.start(WorkerConfig {
        smtp: Some(settings(&right, SmtpTls::StartTls, &house, MAIL_USER.1)),
        ..support::quick()
    });
    let to_duty = || {
        right
            .mails()
            .iter()
            .filter(|mail| mail.contains("To: duty@agency.example"))
            .count()
    };
    wait_for("the mail", async || (to_duty() == 1).then_some(())).await;
    running.stop().await?;
    assert_eq!(to_duty(), 1);
    world.drop_now().await
}
