//! Mail over SMTP.

use casedb::notification::Job;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication,
        client::{Certificate, Tls, TlsParameters},
    },
};

use super::SendError;
use crate::{SmtpConfig, SmtpTls, WorkerError};

/// Sends mails through one server.
#[derive(Debug)]
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mail {
    /// Checks the settings; connects only when sending.
    pub fn new(config: &SmtpConfig) -> Result<Self, WorkerError> {
        let bad = |reason: String| WorkerError::Channel {
            channel: "mail",
            reason,
        };
        let from = config
            .from
            .parse()
            .map_err(|error| bad(format!("sender {:?}: {error}", config.from)))?;
        let parameters = || {
            let mut parameters = TlsParameters::builder(config.host.clone());
            if let Some(file) = &config.ca_file {
                let named = |error: &dyn std::fmt::Display| bad(format!("{}: {error}", file.display()));
                let pem = std::fs::read(file).map_err(|error| named(&error))?;
                let authorities = Certificate::from_pem(&pem).map_err(|error| named(&error))?;
                parameters = parameters.add_root_certificate(authorities);
            }
            parameters.build().map_err(|error| bad(error.to_string()))
        };
        let tls = match config.tls {
            SmtpTls::None => Tls::None,
            SmtpTls::StartTls => Tls::Required(parameters()?),
            SmtpTls::Tls => Tls::Wrapper(parameters()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(config.timeout));
        if let Some(credentials) = &config.credentials {
            builder = builder.credentials(authentication::Credentials::new(
                credentials.username.clone(),
                credentials.password.clone(),
            ));
        }
        Ok(Self {
            transport: builder.build(),
            from,
        })
    }

    /// Sends a mail of the program's own, without the case database.
    pub async fn plain(&self, to: &str, id: &str, subject: &str, body: &str) -> Result<(), SendError> {
        let refused = |error: &dyn std::fmt::Display| SendError::Refused(error.to_string());
        let mail = Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .from(self.from.clone())
            .to(to.parse().map_err(|error| refused(&error))?)
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body.to_owned())
            .map_err(|error| refused(&error))?;
        self.transport
            .send(mail)
            .await
            .map(|_| ())
            .map_err(|error| SendError::Transient(error.to_string()))
    }

    /// Sends one mail; it is handed over when the server has taken it.
    pub async fn send(&self, job: &Job, text: &alerts::text::Message) -> Result<(), SendError> {
        let refused = |error: &dyn std::fmt::Display| SendError::Refused(error.to_string());
        let to: Mailbox = job.recipient.parse().map_err(|error| refused(&error))?;
        let domain = self.from.email.domain();
        let mail = Message::builder()
            // The same at each try, so that mail programs show a copy once.
            .message_id(Some(format!("<{}@{domain}>", job.key)))
            .from(self.from.clone())
            .to(to)
            .subject(&text.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(text.body.clone())
            .map_err(|error| refused(&error))?;
        match self.transport.send(mail).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() => Err(refused(&error)),
            Err(error) => Err(SendError::Transient(error.to_string())),
        }
    }
}
