//! Keys that devices have confirmed, on their way to the case database.

use casedb::Database;
use jiff::Timestamp;
use proto::DeviceId;
use tokio::sync::mpsc;
use tracing::{info, warn};

const QUEUE: usize = 1_024;
const PAUSE: std::time::Duration = std::time::Duration::from_secs(2);

struct Confirmed {
    device: DeviceId,
    secret: Vec<u8>,
}

/// Where sessions put confirmations.
#[derive(Clone)]
pub(crate) struct Rotation {
    sender: mpsc::Sender<Confirmed>,
}

/// The other end, for the task that writes.
pub(crate) struct Waiting {
    receiver: mpsc::Receiver<Confirmed>,
}

impl Rotation {
    pub(crate) fn new() -> (Self, Waiting) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { sender }, Waiting { receiver })
    }

    /// The device has shown that it has its next key. What does not fit is not lost: both keys are good until the device proves
    /// itself by the new one again.
    pub(crate) fn confirmed(&self, device: DeviceId, secret: &[u8]) {
        let secret = secret.to_vec();
        let _ = self.sender.try_send(Confirmed { device, secret });
    }
}

impl Waiting {
    /// Writes until every [`Rotation`] is gone; while the database is away, tries again.
    pub(crate) async fn write(mut self, database: Option<Database>) {
        while let Some(Confirmed { device, secret }) = self.receiver.recv().await {
            let Some(database) = &database else { continue };
            loop {
                let written = async {
                    let client = database.client().await?;
                    casedb::device::confirm_rotation(&client, device, &secret, Timestamp::now()).await
                };
                match written.await {
                    Ok(changed) => {
                        if changed {
                            metrics::counter!("homeward_gateway_keys_changed_total").increment(1);
                            info!(%device, "the device has its next key; the old one is gone");
                        }
                        break;
                    }
                    Err(error) => warn!(%device, %error, "a device's next key was not written; trying again"),
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
