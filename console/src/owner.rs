//! What the console does as the owner of the tables, whom the database's rules do not limit: all of it, and why.
//!
//! Handlers have no other way to the database than [`crate::users::UserPool`] and the methods here. Inside a user's transaction
//! [`casedb::access::Beyond`] is the list of steps.

use casedb::{
    Database, Error, Listener,
    audit::sealer::Signer,
    canary, command, evidence,
    history::folded::Reader,
    incident::IncidentError,
    notification,
    session::{self, Token},
    user::{self, User},
    view::{IncidentHead, PersonHead, heads, person_head},
};
use jiff::Timestamp;
use uuid::Uuid;

/// Every method of [`Owner`] and why no role of users could do it. A test holds it to the methods, and `docs/access.md` to it.
pub const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "session",
        "who it is has to be known before anything can be done in their name",
    ),
    (
        "account",
        "log-in, and whether a password just made still holds: no role reads password hashes",
    ),
    ("log_in", "log-in: no role writes sessions or the log of attempts"),
    (
        "log_out",
        "log-out: also of a session that has ended; no role reads hashes of sessions",
    ),
    ("sweep_sessions", "clears away what has expired; nobody asked for it"),
    (
        "sweep_commands",
        "ends commands whose time is over; nobody asked for it",
    ),
    (
        "listen",
        "one listener tells every page; each page then tells its user what that user may see",
    ),
    (
        "changed_incidents",
        "read once for all pages; each page tells its user what that user may see",
    ),
    (
        "person_head",
        "read once for all pages; it says whose person it is, and nothing else",
    ),
    (
        "standing",
        "which person and device the canary is no role may know; the answer says neither",
    ),
    (
        "evidence",
        "proofs of the audit chain; what they prove was read in the user's own transaction, in here, before",
    ),
    (
        "receipt",
        "the gateway for short messages is no user; its signature was checked",
    ),
    (
        "history",
        "history is folded once more for a zone's preview; the user's own transaction has declared the reading before",
    ),
    ("ready", "whether the database answers; reads no table"),
];

/// The program's own access to the database.
#[derive(Debug, Clone)]
pub struct Owner {
    database: Database,
}

impl Owner {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }

    /// The user of a session that holds.
    pub async fn session(&self, token: &Token, now: Timestamp) -> Result<Option<User>, Error> {
        session::find(&self.database.client().await?, token, now).await
    }

    /// The account of a name, with the hash of its password.
    pub async fn account(&self, username: &str) -> Result<Option<(User, String)>, Error> {
        user::find(&self.database.client().await?, username).await
    }

    /// Writes an attempt to log in down, and opens a session where it succeeded.
    pub async fn log_in(&self, username: &str, user: Option<&User>, now: Timestamp) -> Result<Option<Token>, Error> {
        let client = self.database.client().await?;
        session::record_attempt(&client, username, user.is_some(), now).await?;
        match user {
            Some(user) => session::open(&client, user.user_id, now).await.map(Some),
            None => Ok(None),
        }
    }

    /// Ends a session.
    pub async fn log_out(&self, token: &Token) -> Result<(), Error> {
        session::end(&self.database.client().await?, token).await
    }

    /// Clears away sessions that have expired.
    pub async fn sweep_sessions(&self, now: Timestamp) -> Result<u64, Error> {
        session::sweep(&self.database.client().await?, now).await
    }

    /// Ends commands whose time is over.
    pub async fn sweep_commands(&self) -> Result<u64, Error> {
        let client = self.database.client().await?;
        let now = command::clock(&client).await?;
        command::sweep(&client, now).await
    }

    /// Listens on channels.
    pub async fn listen(&self, channels: &[&str]) -> Result<Listener, Error> {
        self.database.listen(channels).await
    }

    /// Incidents that have changed, as they stand.
    pub async fn changed_incidents(&self, ids: &[Uuid]) -> Result<Vec<IncidentHead>, Error> {
        heads(&self.database.client().await?, ids).await
    }

    /// Whose a person is.
    pub async fn person_head(&self, person_id: Uuid) -> Result<Option<PersonHead>, Error> {
        person_head(&self.database.client().await?, person_id).await
    }

    /// How the platform stands.
    pub async fn standing(&self) -> Result<Option<canary::Standing>, Error> {
        canary::standing(&self.database.client().await?).await
    }

    /// Makes the evidence of an incident, with the chain sealed and signed as far as it rests on it.
    pub async fn evidence(
        &self,
        wanted: &evidence::Asked<'_>,
        signer: Option<&Signer>,
    ) -> Result<Option<evidence::Evidence>, Error> {
        evidence::gather(&self.database, wanted, signer).await
    }

    /// Takes what the gateway for short messages says of a message.
    pub async fn receipt(
        &self,
        name: &str,
        receipt: notification::Receipt,
        now: Timestamp,
    ) -> Result<bool, IncidentError> {
        notification::receipt(&self.database, alerts::route::Channel::Sms, name, receipt, now).await
    }

    /// Stored history, for folding it once more.
    pub async fn history(&self, partitions: u32) -> Result<Reader, Error> {
        Reader::open(&self.database, partitions).await
    }

    /// Whether the database answers.
    pub async fn ready(&self) -> Result<(), Error> {
        self.database.ready().await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fs,
        path::Path,
    };

    use casedb::access::Beyond;

    use super::EXCEPTIONS;

    /// Every source file of the console, by its path below `src`; tests of modules cut off.
    fn sources() -> BTreeMap<String, String> {
        fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<String, String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, found);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                    let text = fs::read_to_string(&path).unwrap();
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                    found.insert(name, code);
                }
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = BTreeMap::new();
        walk(&root, &root, &mut found);
        found
    }

    #[test]
    fn only_these_do_anything_as_the_owner_and_each_says_why() {
        let sources = sources();
        let own = &sources["owner.rs"];
        let methods: BTreeSet<&str> = own
            .split("pub async fn ")
            .skip(1)
            .filter_map(|rest| rest.split('(').next())
            .collect();
        let listed: BTreeSet<&str> = EXCEPTIONS.iter().map(|(name, _)| *name).collect();
        assert_eq!(methods, listed);
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/access.md")).unwrap();
        for (name, why) in EXCEPTIONS
            .iter()
            .copied()
            .chain(Beyond::ALL.map(|step| (step.name(), step.why())))
        {
            assert!(why.len() > 20, "{name}: {why}");
            assert!(
                page.contains(&format!("| `{name}` |")),
                "docs/access.md does not tell of {name}"
            );
        }
    }

    /// The type of the pool is known to the two that wrap it, and to the start of the server, which hands it to them.
    #[test]
    fn nobody_else_has_the_database() {
        let mut uses = BTreeSet::new();
        for (name, code) in sources() {
            // An error of the case database is no access to it.
            let code = code.replace("Error::Database", "");
            for word in [
                "Database",
                "database.client",
                ".database",
                "begin_as",
                "SET ROLE",
                "SET LOCAL ROLE",
                "set_config",
            ] {
                if code.contains(word) && !["owner.rs", "users.rs", "lib.rs"].contains(&name.as_str()) {
                    uses.insert(format!("{name}: {word}"));
                }
            }
        }
        assert!(uses.is_empty(), "past UserPool: {uses:?}");
        let start = &sources()["lib.rs"];
        assert_eq!(start.matches("Owner::new(database").count(), 1);
        assert_eq!(start.matches("UserPool::new(database").count(), 1);
        assert_eq!(start.matches("database.clone()").count(), 1, "for the two");
    }

    /// Where a handler's transaction leaves the user's role: by which step, in which file.
    #[test]
    fn steps_beyond_the_role_are_where_they_are_told() {
        let found: BTreeSet<String> = sources()
            .into_iter()
            .filter(|(name, _)| name != "owner.rs")
            .flat_map(|(name, code)| {
                let steps: Vec<String> = code
                    .split("step_out(")
                    .skip(1)
                    .map(|rest| {
                        let step = rest.split("Beyond::").nth(1).unwrap_or_default();
                        let step: String = step.chars().take_while(|letter| letter.is_alphanumeric()).collect();
                        format!("{name}: {step}")
                    })
                    .collect();
                steps
            })
            .collect();
        let known: BTreeSet<String> = [
            "api/devices.rs: Device",
            "api/drafting.rs: Settings",
            "api/orders.rs: Publish",
        ]
        .map(str::to_owned)
        .into();
        assert_eq!(found, known);
    }
}
