//! Where an agency wants its messages besides the console.

use uuid::Uuid;

use crate::{
    Error,
    pool::{GenericClient, execute, rows},
};

/// An address of an agency for mail or webhooks.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub target_id: Uuid,
    /// Whose.
    pub agency_id: Uuid,
    /// `mail`, `webhook` or `sms`.
    pub channel: String,
    /// Mail address, URL or telephone number.
    pub address: String,
    /// Webhook: the form of the request, `homeward`, `wecom` or `dingtalk`.
    pub template: String,
    /// Webhook: key of the signature.
    pub secret: Option<Vec<u8>>,
    /// Only incidents at least this urgent; 1 = most urgent.
    pub max_severity: i16,
    /// `en` or `zh-CN`.
    pub locale: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the key nor the address, which may carry one, belongs into logs.
        f.debug_struct("Target")
            .field("target_id", &self.target_id)
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

const ADD: &str =
    "INSERT INTO notification_target (target_id, agency_id, channel, address, secret, max_severity, locale, template)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const LIST: &str = "SELECT t.target_id, a.path::text, t.channel, t.address, t.max_severity, t.locale, t.template
    FROM notification_target t JOIN agency a USING (agency_id) ORDER BY a.path, t.channel, t.address";
const REMOVE: &str = "DELETE FROM notification_target WHERE target_id = $1";

/// Adds a target. One address of one agency and channel can be there once.
pub async fn add(client: &impl GenericClient, target: &Target) -> Result<(), Error> {
    if !(1..=4).contains(&target.max_severity) {
        return Err(Error::Input(format!("severity {} is not 1 to 4", target.max_severity)));
    }
    execute(
        client,
        ADD,
        &[
            &target.target_id,
            &target.agency_id,
            &target.channel,
            &target.address,
            &target.secret,
            &target.max_severity,
            &target.locale,
            &target.template,
        ],
    )
    .await?;
    Ok(())
}

/// A target as it is listed: without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub target_id: Uuid,
    /// The agency's path.
    pub agency: String,
    /// `mail`, `webhook` or `sms`.
    pub channel: String,
    /// Mail address, URL or telephone number.
    pub address: String,
    /// Webhook: the form of the request.
    pub template: String,
    /// Only incidents at least this urgent.
    pub max_severity: i16,
    /// `en` or `zh-CN`.
    pub locale: String,
}

/// Lists all targets.
pub async fn list(client: &impl GenericClient) -> Result<Vec<Listed>, Error> {
    let found = rows(client, LIST, &[]).await?;
    found
        .iter()
        .map(|row| {
            Ok(Listed {
                target_id: row.try_get(0)?,
                agency: row.try_get(1)?,
                channel: row.try_get(2)?,
                address: row.try_get(3)?,
                max_severity: row.try_get(4)?,
                locale: row.try_get(5)?,
                template: row.try_get(6)?,
            })
        })
        .collect()
}

/// Removes a target; what is queued for it is refused for want of a key. False when there is none.
pub async fn remove(client: &impl GenericClient, target_id: Uuid) -> Result<bool, Error> {
    Ok(execute(client, REMOVE, &[&target_id]).await? == 1)
}
