//! Compiled layers, shared by the partitions of this process for as long as an engine uses them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use casedb::{Database, zone};
use engine::{CompiledLayer, LayerReference};
use tokio::sync::Mutex;
use tracing::warn;

/// Why a layer is not there.
#[derive(Debug)]
pub(crate) enum Missing {
    /// The database failed; asking again may help.
    Database(casedb::Error),
    /// The layer is not stored, or not with this content: nobody can be judged by it.
    Unusable(String),
}

/// Layers by reference.
#[derive(Debug)]
pub(crate) struct Layers {
    database: Database,
    /// Held while a layer is read and compiled, so that the partitions that want it wait for one compilation.
    compiled: Mutex<BTreeMap<LayerReference, Weak<CompiledLayer>>>,
}

impl Layers {
    pub(crate) fn new(database: Database) -> Self {
        Self {
            database,
            compiled: Mutex::default(),
        }
    }

    /// Gives a layer, compiled, with exactly the content that the reference names.
    pub(crate) async fn get(&self, reference: LayerReference) -> Result<Arc<CompiledLayer>, Missing> {
        let mut compiled = self.compiled.lock().await;
        if let Some(layer) = compiled.get(&reference).and_then(Weak::upgrade) {
            return Ok(layer);
        }
        let client = self.database.client().await.map_err(Missing::Database)?;
        let content = match zone::layer_content(&client, reference.layer_id, reference.revision).await {
            Ok(content) => content,
            Err(error) if error.is_retryable() => return Err(Missing::Database(error)),
            Err(error) => return Err(Missing::Unusable(error.to_string())),
        };
        drop(client);
        let layer = tokio::task::spawn_blocking(move || CompiledLayer::decode(&content))
            .await
            .map_err(|error| Missing::Unusable(error.to_string()))?
            .map_err(|error| Missing::Unusable(error.to_string()))?;
        if LayerReference::of(&layer) != reference {
            return Err(Missing::Unusable(
                "the stored layer has another content than its marker names".to_owned(),
            ));
        }
        for refused in layer.refused() {
            warn!(layer = %reference.layer_id, revision = reference.revision, error = %refused, "a layer's zone is refused");
        }
        let layer = Arc::new(layer);
        compiled.retain(|_, held| held.strong_count() > 0);
        compiled.insert(reference, Arc::downgrade(&layer));
        Ok(layer)
    }
}
