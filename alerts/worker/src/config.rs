//! Settings of a worker.

mod sms;

use std::{fmt, path::PathBuf, time::Duration};

use alerts::route::Channel;

use crate::channel::push::PushConfig;

pub use sms::{SmsConfig, SmsSettings};

/// How a worker works. The defaults are for production.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Name of this worker in leases; of each running process its own.
    pub name: String,
    /// The mail server, the same for all workers. Without one, social workers get no mail; mails to agencies' targets wait in
    /// the queue until there is one, and are given up after [`WorkerConfig::give_up_after`].
    pub smtp: Option<SmtpConfig>,
    /// The gateway for short messages; none: nobody gets any.
    pub sms: Option<SmsConfig>,
    /// Web Push; none: nobody gets any.
    pub push: Option<PushConfig>,
    /// Address of the console, without a path, for links in messages; none: messages have no link.
    pub console_url: Option<String>,
    /// Events of one transaction, at most.
    pub batch: usize,
    /// Messages of one channel in flight, at most.
    pub parallel: usize,
    /// Messages to one recipient in flight, at most: one that is slow must leave places for the others.
    pub parallel_each: usize,
    /// How often messages are looked for whose channel has not done it in time.
    pub pass_on: Duration,
    /// How often the queue is looked at for retries and for messages that other processes queued.
    pub poll: Duration,
    /// How long a leased message is this worker's. Must exceed what sending may take.
    pub lease: Duration,
    /// Time-out of a webhook request, from connecting to the end of the answer.
    pub webhook_timeout: Duration,
    /// Tries before a message is given up.
    pub max_attempts: i32,
    /// Tries before a message is given up that the receiver has refused for good.
    pub max_refusals: i32,
    /// Pause after the first failed try; doubles with each.
    pub backoff: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// Messages older than this are given up unsent.
    pub give_up_after: Duration,
    /// A violation that begins within this after its rule's incident was closed opens that again; zero: it raises a new one.
    pub reopen_within: Duration,
    /// How long messages in flight may take at shutdown.
    pub drain: Duration,
    /// Root causes are looked for this often.
    pub causes_every: Duration,
    /// Seed of the jitter in pauses.
    pub seed: u64,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        let unique = uuid::Uuid::now_v7();
        Self {
            name: format!("worker-{}-{}", std::process::id(), unique.simple()),
            smtp: None,
            sms: None,
            push: None,
            console_url: None,
            batch: 256,
            parallel: 16,
            parallel_each: 4,
            pass_on: Duration::from_secs(1),
            poll: Duration::from_millis(500),
            lease: Duration::from_mins(1),
            webhook_timeout: Duration::from_secs(10),
            max_attempts: 12,
            max_refusals: 3,
            backoff: Duration::from_secs(2),
            backoff_max: Duration::from_mins(15),
            give_up_after: Duration::from_hours(24),
            reopen_within: Duration::ZERO,
            causes_every: Duration::from_secs(15),
            drain: Duration::from_secs(12),
            // Low bits of a UUIDv7 are random: workers started together do not retry together.
            seed: unique.as_u64_pair().1,
        }
    }
}

impl WorkerConfig {
    /// The channels that lead out of the house and are configured.
    pub fn served(&self) -> Vec<Channel> {
        let configured = [
            (Channel::Mail, self.smtp.is_some()),
            (Channel::Webhook, true),
            (Channel::Sms, self.sms.is_some()),
            (Channel::Push, self.push.is_some()),
        ];
        configured
            .into_iter()
            .filter(|(_, there)| *there)
            .map(|(channel, _)| channel)
            .collect()
    }
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// Host name, also for the certificate.
    pub host: String,
    /// Port; usually 25 or 587 with STARTTLS, 465 with TLS from the start.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// A file of certificates (PEM) of authorities of the house's own, which are believed beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Log-in, if the server wants one.
    pub credentials: Option<Credentials>,
    /// Sender, for instance `Homeward <homeward@agency.example>`.
    pub from: String,
    /// Of each step of the conversation.
    pub timeout: Duration,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SmtpTls {
    /// Not at all: for a relay on the same machine.
    None,
    /// Begins plain and changes to TLS; a server that does not offer it is an error.
    #[default]
    StartTls,
    /// TLS from the start.
    Tls,
}

impl std::str::FromStr for SmtpTls {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "starttls" => Ok(Self::StartTls),
            "tls" => Ok(Self::Tls),
            other => Err(format!("unknown TLS mode {other:?}, expected none, starttls or tls")),
        }
    }
}

/// User and password; the password does not appear in `Debug`.
#[derive(Clone)]
pub struct Credentials {
    /// User.
    pub username: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
